// nn_uint8 [BLOCKS [SEED]]: uint8 convolutions against the naive reference, exactly, on every
// target's kernels: shapes, weights at the limits of vpmaddubsw and one beyond, guard pages; then
// random layers until so many blocks (six pixels and 16 output channels, what the registers hold)
// are compared. ctest runs 30000; 1000000 take a minute.
#include "base/threads.h"
#include "conv_reference.h"
#include "guarded.h"
#include "nn/conv_uint8.h"
#include "nn/requantize.h"
#include "nn/target.h"

using namespace samebits;

namespace {

std::vector<uint8_t> random_bytes(Random& random, int64_t count, int hi) {
  std::vector<uint8_t> x(static_cast<size_t>(count));
  for (uint8_t& v : x) v = static_cast<uint8_t>(extreme_or_random(random, 0, hi));
  return x;
}

Tensor<int16_t> widened(const std::vector<uint8_t>& x, int height, int width, int channels) {
  Tensor<int16_t> wide(height, width, channels);
  wide.data.assign(x.begin(), x.end());
  return wide;
}

ConvLayer uint8_layer(Random& random, int in, int out, int weight_limit, int in_hi) {
  ConvLayer layer = random_layer(random, in, out, false, weight_limit);
  layer.in_lo = 0;
  layer.in_hi = in_hi;
  return layer;
}

// All kernels that are exact, and the whole way with every target.
void check_layer(const ConvLayer& layer, const std::vector<uint8_t>& x, int height, int width,
                 bool at_end = true) {
  const Uint8Conv conv(layer);
  const Tensor<int64_t> sums = reference_sums(layer, widened(x, height, width, layer.in_channels));
  const Guarded<uint8_t> guarded(x, at_end);
  std::vector<int32_t> acc(sums.data.size());
  const auto check = [&] {
    for (size_t i = 0; i < acc.size(); ++i) CHECK(acc[i] == wrap(sums.data[i]));
  };
  conv.run_on(kUint8Scalar, nullptr, guarded.data(), height, width,
              {acc.data(), nullptr, nullptr, 0, 0});
  check();
  for (const std::string& name : targets()) {
    set_target(name);
    conv.accumulate(guarded.data(), height, width, acc.data());
    check();
    if (layer.multiplier.empty()) continue;
    std::vector<int16_t> out(acc.size());
    conv.run(guarded.data(), height, width, out.data());
    for (size_t i = 0; i < out.size(); ++i) {
      const size_t o = i % layer.out_channels;
      CHECK(out[i] == reference_requantize(acc[i], layer.multiplier[o], layer.shift[o], layer.leaky,
                                           layer.lo, layer.hi));
    }
  }
}

int64_t random_shape(Random& random) {
  const int in = static_cast<int>(random.between(1, 40));
  const int out = static_cast<int>(random.between(1, 90));
  const int hi = random.one_in(4) ? 127 : 255;
  const ConvLayer layer = uint8_layer(random, in, out, random.one_in(3) ? 128 : 64, hi);
  const int height = static_cast<int>(random.between(1, 9));
  const int width = static_cast<int>(random.between(1, 60));
  check_layer(layer, random_bytes(random, int64_t{height} * width * in, hi), height, width,
              random.one_in(2));
  const int64_t pixels =
      int64_t{conv_output_size(height, layer.stride)} * conv_output_size(width, layer.stride);
  return (pixels + 5) / 6 * ((out + 15) / 16);
}

ConvLayer constant_layer(int first, int second, int in_hi) {
  ConvLayer layer;
  layer.in_channels = 36;
  layer.out_channels = 17;
  layer.in_lo = 0;
  layer.in_hi = in_hi;
  layer.algorithm = ConvAlgorithm::direct;
  for (int n = 0; n < 36 * 17; ++n)
    layer.weight.push_back(static_cast<int16_t>(n % 2 == 0 ? first : second));
  return layer;
}

// Pairs that are just safe, and the first that are not: those are exact too, by other means.
void limits() {
  struct Pair {
    int first, second, in_hi;
    bool safe;
  };
  for (const Pair& pair :
       {Pair{64, 64, 255, true}, Pair{1, 127, 255, true}, Pair{2, 127, 255, false},
        Pair{-64, -64, 255, true}, Pair{-128, 127, 255, true}, Pair{-128, 0, 255, true},
        Pair{-128, -1, 255, false}, Pair{127, 127, 129, true}, Pair{127, 127, 130, false},
        Pair{-128, -128, 128, true}, Pair{-128, -128, 129, false}}) {
    const ConvLayer layer = constant_layer(pair.first, pair.second, pair.in_hi);
    CHECK(uint8_pairs_are_safe(layer) == pair.safe);
    const auto value = static_cast<uint8_t>(pair.in_hi);
    check_layer(layer, std::vector<uint8_t>(size_t{5} * 11 * 36, value), 5, 11);
  }
}

// Layers that only the int16 kernels take.
void wide_weights_and_depthwise() {
  Random random(3);
  ConvLayer wide = uint8_layer(random, 20, 30, 3000, 255);
  for (ConvLayer layer : {wide, random_layer(random, 20, 20, true, 100)}) {
    layer.in_lo = 0;
    layer.in_hi = 255;
    const std::vector<uint8_t> x = random_bytes(random, 13 * 21 * 20, 255);
    const Uint8Conv conv(layer);
    const Tensor<int64_t> sums = reference_sums(layer, widened(x, 13, 21, 20));
    for (const std::string& name : targets()) {
      set_target(name);
      std::vector<int32_t> acc(sums.data.size());
      conv.accumulate(x.data(), 13, 21, acc.data());
      for (size_t i = 0; i < acc.size(); ++i) CHECK(acc[i] == wrap(sums.data[i]));
    }
  }
}

// Strips of widened rows: taller than one, and Winograd inside.
void tall_pictures() {
  Random random(4);
  ConvLayer layer = uint8_layer(random, 64, 64, 128, 255);
  layer.kernel = 3;
  layer.stride = 1;
  layer.weight.assign(size_t{9} * 64 * 64, 0);
  for (int16_t& w : layer.weight) w = static_cast<int16_t>(random.between(-128, 127));
  const std::vector<uint8_t> x = random_bytes(random, int64_t{1000} * 33 * 64, 255);
  std::vector<int32_t> acc(size_t{1000} * 33 * 64);
  std::vector<int16_t> out(acc.size()), expected(acc.size());
  for (const std::string& name : targets()) {
    if (name == "scalar") continue;
    set_target(name);
    const Uint8Conv conv(layer);
    conv.accumulate(x.data(), 1000, 33, acc.data());
    requantize(acc.data(), 1000 * 33, 64, layer.multiplier.data(), layer.shift.data(), layer.leaky,
               layer.lo, layer.hi, expected.data());
    conv.run(x.data(), 1000, 33, out.data());
    CHECK(out == expected);
  }
}

void refused() {
  Random random(5);
  ConvLayer layer = uint8_layer(random, 4, 4, 100, 255);
  layer.in_hi = 256;
  CHECK_FAILS(invalid_argument, "are not within uint8", Uint8Conv{layer});
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t wanted = argc > 1 ? std::atoll(argv[1]) : 30000;
  const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  limits();
  wide_weights_and_depthwise();
  tall_pictures();
  refused();
  Random random(seed);
  int64_t blocks = 0;
  while (blocks < wanted) blocks += random_shape(random);
  std::printf("%lld blocks from seed %llu: equal\n", static_cast<long long>(blocks),
              static_cast<unsigned long long>(seed));
}
