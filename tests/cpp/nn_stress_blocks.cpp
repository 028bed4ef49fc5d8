// nn_stress_blocks [BLOCKS [SEED]]: so many random and adversarial blocks for each kernel of each
// target, between guard pages, compared exactly with the scalar definition. ctest runs a sample; on
// a new machine or after a change of a kernel run
//   nn_stress_blocks 1000000
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/fixed_point.h"
#include "check.h"
#include "conv_reference.h"
#include "nn/conv_kernels.h"
#include "nn/pack_weights.h"
#include "nn/requantize.h"
#include "nn/target.h"
#include "nn/target_kernels.h"
#include "nn_stress_guard.h"
#ifdef GUARD_PAGES
#include <sys/wait.h>
#endif

using namespace samebits;

namespace {

constexpr int kMostInputs = 40;
constexpr int kMostGroups = 6;

struct Buffers {
  GuardedBuffer input{1 << 18}, weight{1 << 18}, bias{1 << 12}, acc{1 << 16}, add{1 << 14},
      out{1 << 14};
};

// Sum of the magnitudes of an output channel's weights.
int64_t l1_of(const ConvLayer& layer, int o) {
  const int64_t per_output = static_cast<int64_t>(layer.weight.size()) / layer.out_channels;
  int64_t l1 = 0;
  for (int64_t i = 0; i < per_output; ++i)
    l1 += std::abs(int32_t{layer.weight[o * per_output + i]});
  return l1;
}

int random_bit_limit(Random& random) {
  return 1 << random.between(0, 15);
}

ConvLayer random_block_layer(Random& random, bool depthwise, bool nine_taps) {
  ConvLayer layer;
  layer.depthwise = depthwise;
  layer.kernel = nine_taps ? 3 : 1;
  layer.out_channels = static_cast<int>(random.between(1, kOutputGroup * kMostGroups));
  if (!depthwise && !random.one_in(8)) layer.out_channels = 1 + layer.out_channels % 20;
  layer.in_channels =
      depthwise ? layer.out_channels : static_cast<int>(random.between(1, kMostInputs));
  layer.weight.resize(size_t{1} * layer.out_channels * layer.kernel * layer.kernel *
                      (depthwise ? 1 : layer.in_channels));
  const int limit = random_bit_limit(random);
  for (int16_t& w : layer.weight)
    w = static_cast<int16_t>(extreme_or_random(random, -limit, limit - 1));
  layer.bias.resize(layer.out_channels);
  for (int32_t& b : layer.bias) b = static_cast<int32_t>(random.bits32());
  return layer;
}

// Inputs [taps][pixels][channels] of a block. At the limit, pixel p has the signs of the weights of
// one output channel, or the opposite ones, and that channel's bias fills the sum up to 2^31 - 1.
struct BlockInputs {
  std::vector<int16_t> values;
  int pixels;
};

BlockInputs random_inputs(Random& random, const ConvLayer& layer) {
  const int taps = layer.kernel * layer.kernel;
  BlockInputs in{{}, static_cast<int>(random.between(1, random.one_in(6) ? kBlockPixels : 14))};
  in.values.resize(size_t{1} * taps * in.pixels * layer.in_channels);
  const int limit = random_bit_limit(random);
  for (int16_t& v : in.values)
    v = static_cast<int16_t>(extreme_or_random(random, -limit, limit - 1));
  return in;
}

void push_to_limit(Random& random, ConvLayer& layer, BlockInputs& in) {
  const int taps = layer.kernel * layer.kernel, inputs = layer.in_channels;
  for (int p = 0; p < in.pixels; ++p) {
    const int o = static_cast<int>(random.between(0, layer.out_channels - 1));
    const int64_t l1 = l1_of(layer, o);
    const int most = static_cast<int>(l1 == 0 ? 32767 : std::min<int64_t>(32767, INT32_MAX / l1));
    const int sign = random.one_in(2) ? 1 : -1;
    layer.bias[o] = static_cast<int32_t>(sign * (INT32_MAX - l1 * most));
    for (int t = 0; t < taps; ++t)
      for (int i = 0; i < inputs; ++i) {
        if (layer.depthwise && i != o) continue;
        const int64_t at =
            layer.depthwise ? int64_t{o} * taps + t : (int64_t{o} * taps + t) * inputs + i;
        const int16_t w = layer.weight[at];
        in.values[(int64_t{t} * in.pixels + p) * inputs + i] =
            static_cast<int16_t>(w < 0 ? -sign * most : sign * most);
      }
  }
}

std::vector<const int16_t*> pointers(const int16_t* values, const ConvLayer& layer, int pixels) {
  std::vector<const int16_t*> inputs;
  for (int n = 0; n < layer.kernel * layer.kernel * pixels; ++n)
    inputs.push_back(values + int64_t{n} * layer.in_channels);
  return inputs;
}

void compare_sums(const ConvLayer& layer, const std::vector<int32_t>& expected, int pixels,
                  int first_channel, int channels, const int32_t* acc) {
  for (int p = 0; p < pixels; ++p)
    for (int c = 0; c < channels; ++c) {
      const int g = c / kOutputGroup, place = place_in_group(c % kOutputGroup);
      CHECK(acc[(g * pixels + p) * kOutputGroup + place] ==
            expected[int64_t{p} * layer.out_channels + first_channel + c]);
    }
}

// ConvKernels::dense and ::depthwise.
void compare_block(Random& random, Buffers& buffers, const ConvKernels& kernels, bool depthwise) {
  ConvLayer layer = random_block_layer(random, depthwise, random.one_in(2));
  BlockInputs in = random_inputs(random, layer);
  if (random.one_in(2)) push_to_limit(random, layer, in);
  const bool end = random.one_in(2);
  const int16_t* values = buffers.input.copy(in.values.data(), in.values.size(), end);
  const std::vector<const int16_t*> inputs = pointers(values, layer, in.pixels);
  const ConvBlock block{inputs.data(), layer.kernel * layer.kernel, in.pixels, layer.in_channels};
  std::vector<int32_t> expected(size_t{1} * in.pixels * layer.out_channels);
  (depthwise ? depthwise_block_scalar : dense_block_scalar)(layer, block, expected.data());

  const PackedConv packed = pack_weights(layer);
  const int16_t* weight = buffers.weight.copy(packed.weight.data(), packed.weight.size(), end);
  const int32_t* bias = buffers.bias.copy(packed.bias.data(), packed.bias.size(), end);
  const int groups = group_count(layer.out_channels);
  if (!depthwise) {
    int32_t* acc = buffers.acc.place<int32_t>(size_t{1} * groups * in.pixels * kOutputGroup, end);
    kernels.dense(block, weight, bias, groups, acc);
    return compare_sums(layer, expected, in.pixels, 0, layer.out_channels, acc);
  }
  for (int g = 0; g < groups; ++g) {
    const int first = g * kOutputGroup;
    const int channels = std::min(kOutputGroup, layer.out_channels - first);
    int32_t* acc = buffers.acc.place<int32_t>(size_t{1} * in.pixels * kOutputGroup, end);
    kernels.depthwise(block, first, channels, weight + g * packed.group_weights, bias + first, acc);
    compare_sums(layer, expected, in.pixels, first, channels, acc);
  }
}

// ConvKernels::depthwise_rows, on a picture of three rows, of which some may be outside.
void compare_rows(Random& random, Buffers& buffers, const ConvKernels& kernels) {
  ConvLayer layer = random_block_layer(random, true, true);
  const int channels = layer.out_channels, width = static_cast<int>(random.between(1, 30));
  Tensor<int16_t> x = random_tensor(random, 3, width, channels);
  if (random.one_in(2)) {  // one pixel at the limit, if its neighbors are inside
    BlockInputs in{std::vector<int16_t>(size_t{9} * channels), 1};
    push_to_limit(random, layer, in);
    const int at = static_cast<int>(random.between(0, width - 1));
    for (int t = 0; t < 9; ++t)
      if (at + t % 3 - 1 >= 0 && at + t % 3 - 1 < width)
        std::copy_n(in.values.data() + t * channels, channels, x.at(t / 3, at + t % 3 - 1));
  }
  const bool end = random.one_in(2);
  const int missing = static_cast<int>(random.between(-1, 2));  // a row outside the picture
  const std::vector<int16_t> zeros(channels);
  const int16_t* values = buffers.input.copy(x.data.data(), x.data.size(), end);
  DepthwiseRows rows = {};
  for (int r = 0; r < 3; ++r) {
    if (r == missing) std::fill_n(x.at(r, 0), size_t{1} * width * channels, int16_t{0});
    rows.row[r] = r == missing ? zeros.data() : values + int64_t{r} * width * channels;
    rows.step[r] = r == missing ? 0 : channels;
  }
  rows.width = width;
  rows.x = static_cast<int>(random.between(0, width - 1));
  rows.pixels = static_cast<int>(random.between(1, width - rows.x));
  const Tensor<int64_t> sums = reference_sums(layer, x);

  const PackedConv packed = pack_weights(layer);
  const int16_t* weight = buffers.weight.copy(packed.weight.data(), packed.weight.size(), end);
  const int32_t* bias = buffers.bias.copy(packed.bias.data(), packed.bias.size(), end);
  for (int first = 0, g = 0; first < channels; first += kOutputGroup, ++g) {
    rows.channels = std::min(kOutputGroup, channels - first);
    int32_t* acc = buffers.acc.place<int32_t>(size_t{1} * rows.pixels * kOutputGroup, end);
    kernels.depthwise_rows(rows, weight + g * packed.group_weights, bias + first, acc);
    for (int p = 0; p < rows.pixels; ++p)
      for (int c = 0; c < rows.channels; ++c)
        CHECK(acc[p * kOutputGroup + place_in_group(c)] == wrap(sums.at(1, rows.x + p)[first + c]));
    for (int r = 0; r < 3; ++r)
      if (r != missing) rows.row[r] += kOutputGroup;
  }
}

// An accumulator whose v is close to a rounding edge, to `near`, or anything.
int32_t random_sum(Random& random, int32_t multiplier, int32_t shift, int near) {
  const int64_t kind = random.between(0, 3);
  if (kind == 0) return static_cast<int32_t>(random.bits32());
  if (kind == 1) return static_cast<int32_t>(extreme_or_random(random, INT32_MIN, INT32_MAX));
  const int64_t v = kind == 2 ? near : random.between(-33000, 33000);
  const __int128 edge = (__int128{2 * v + 1} << shift) / 2 / std::max(multiplier, 1);
  const __int128 sum = edge + random.between(-2, 2);
  return static_cast<int32_t>(std::clamp<__int128>(sum, __int128{INT32_MIN}, __int128{INT32_MAX}));
}

// ConvKernels::requantize.
void compare_requantize(Random& random, Buffers& buffers, const ConvKernels& kernels) {
  const int channels = static_cast<int>(extreme_or_random(random, 1, 16));
  const int pixels = static_cast<int>(random.between(1, random.one_in(6) ? kBlockPixels : 8));
  std::vector<int32_t> multiplier(channels), shift(channels);
  // Mostly what trained layers have, so that each ScaleForm is common.
  const int least = random.one_in(3) ? kMinShift : 17;
  const int most = random.one_in(2) ? 32 : kMaxShift;
  for (int c = 0; c < channels; ++c) {
    multiplier[c] = static_cast<int32_t>(extreme_or_random(random, 0, kMaxMultiplier));
    shift[c] = static_cast<int32_t>(extreme_or_random(random, least, most));
  }
  ActivationRange range{static_cast<int>(random.between(-1, kMaxLeaky)), 0, 0};
  range.lo = static_cast<int>(extreme_or_random(random, -32768, 32767));
  range.hi = static_cast<int>(extreme_or_random(random, range.lo, 32767));
  const int add_lo = static_cast<int>(extreme_or_random(random, -32768, 32767));
  const int add_hi = static_cast<int>(extreme_or_random(random, add_lo, 32767));

  const bool end = random.one_in(2);
  const int64_t stride = channels + random.between(0, 40);
  const size_t size = static_cast<size_t>((pixels - 1) * stride + channels);
  int32_t* acc = buffers.acc.place<int32_t>(size_t{1} * pixels * kOutputGroup, end);
  int16_t* add = buffers.add.place<int16_t>(size, end);
  int16_t* out = buffers.out.place<int16_t>(size, end);
  for (size_t i = 0; i < size; ++i) {
    add[i] = static_cast<int16_t>(extreme_or_random(random, -32768, 32767));
    out[i] = 12345;
  }
  for (int n = 0; n < pixels * kOutputGroup; ++n) acc[n] = static_cast<int32_t>(random.bits32());
  for (int p = 0; p < pixels; ++p)
    for (int c = 0; c < channels; ++c)
      acc[p * kOutputGroup + place_in_group(c)] =
          random_sum(random, multiplier[c], shift[c], random.one_in(2) ? range.lo : range.hi);
  const bool with_add = random.one_in(2);
  const GroupScale scale = pack_scale(multiplier.data(), shift.data(), channels);
  kernels.requantize({acc, pixels, channels, &scale, range, with_add ? add : nullptr, add_lo,
                      add_hi, out, stride});
  for (size_t i = 0; i < size; ++i) {
    const size_t p = i / stride, c = i % stride;
    if (c >= static_cast<size_t>(channels)) {
      CHECK(out[i] == 12345);  // other channels are not touched
      continue;
    }
    int expected = reference_requantize(acc[p * kOutputGroup + place_in_group(static_cast<int>(c))],
                                        multiplier[c], shift[c], range.leaky, range.lo, range.hi);
    if (with_add) expected = clamp(expected + add[i], add_lo, add_hi);
    CHECK(out[i] == expected);
  }
}

// Whole layers on a window of rows, with and without a residual; every other time a depthwise layer
// and a 1 x 1 layer fused.
void compare_layers(Random& random, Buffers& buffers, const std::string& target) {
  const bool fused = random.one_in(2);
  const int channels = static_cast<int>(random.between(1, 40));
  const ConvLayer first = random_layer(random, channels, static_cast<int>(random.between(1, 40)),
                                       fused || random.one_in(4), random_bit_limit(random));
  ConvLayer second = random_layer(random, channels, static_cast<int>(random.between(1, 40)), false,
                                  random_bit_limit(random));
  second.kernel = second.stride = 1;
  second.weight.resize(size_t{1} * second.out_channels * channels);
  second.prepare();
  const Tensor<int16_t> x = random_tensor(random, static_cast<int>(random.between(1, 5)),
                                          static_cast<int>(random.between(1, 12)), channels);
  const int oh = conv_output_size(x.height, first.stride);
  const int begin = static_cast<int>(random.between(0, oh - 1));
  const int end = static_cast<int>(random.between(begin + 1, oh));
  const int pad = (first.kernel - 1) / 2;
  const int top = std::max(0, begin * first.stride - pad);
  const int bottom = std::min(x.height, (end - 1) * first.stride + pad + 1);
  const bool at_end = random.one_in(2);
  const int16_t* rows = buffers.input.copy(x.at(top, 0), x.at(bottom, 0) - x.at(top, 0), at_end);
  const RowWindow window{rows, top, bottom - top, x.height, x.width};
  const size_t size = size_t{1} * (end - begin) * conv_output_size(x.width, first.stride) *
                      (fused ? second : first).out_channels;
  int16_t* add = buffers.add.place<int16_t>(size, at_end);
  for (size_t i = 0; i < size; ++i)
    add[i] = static_cast<int16_t>(extreme_or_random(random, -32768, 32767));
  const Residual residual{add, -32768, static_cast<int>(random.between(-32768, 32767))};
  const Residual* given = random.one_in(2) ? &residual : nullptr;
  const auto run = [&](const std::string& name, int16_t* out) {
    set_target(name);
    if (fused)
      depthwise_pointwise_rows(first, second, window, begin, end, out, given);
    else
      conv2d_rows(first, window, begin, end, out, given);
  };
  std::vector<int16_t> expected(size);
  run("scalar", expected.data());
  int16_t* out = buffers.out.place<int16_t>(size, at_end);
  run(target, out);
  CHECK(std::equal(expected.begin(), expected.end(), out));
}

// The guard pages do what this test relies on.
void guards_catch() {
#ifdef GUARD_PAGES
  static GuardedBuffer buffer(100);
  for (const bool at_end : {false, true}) {
    const volatile int16_t* data = buffer.place<int16_t>(50, at_end);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      std::fclose(stderr);  // a sanitizer's report of what is meant to happen
      const int16_t beyond = at_end ? data[50] : data[-1];
      _exit(beyond == 1 ? 0 : 0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(!(WIFEXITED(status) && WEXITSTATUS(status) == 0));
  }
#endif
}

}  // namespace

int main(int argc, char** argv) {
  const long blocks = argc > 1 ? std::atol(argv[1]) : 3000;
  const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  guards_catch();
  static Buffers buffers;
  for (const std::string& name : targets()) {
    set_target(name);
    const ConvKernels* kernels = target_kernels();
    if (kernels == nullptr || name == "cuda") continue;
    Random random(seed);
    for (long n = 0; n < blocks; ++n) {
      compare_block(random, buffers, *kernels, false);
      compare_block(random, buffers, *kernels, true);
      compare_rows(random, buffers, *kernels);
      compare_requantize(random, buffers, *kernels);
      if (n % 4 == 0) compare_layers(random, buffers, name);
    }
    std::printf("%s: %ld blocks for each kernel from seed %llu: equal\n", name.c_str(), blocks,
                static_cast<unsigned long long>(seed));
  }
}
