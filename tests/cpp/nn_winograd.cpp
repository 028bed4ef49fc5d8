// nn_winograd [BLOCKS [SEED]]: Winograd convolutions against the naive reference, exactly, on every
// target's kernels: all small sizes, windows, adversarial inputs at the proven limits, refusal one
// beyond them, guard pages; then random layers until so many blocks (six tiles and 16 output
// channels, what the registers hold) are compared. ctest runs 3000; 1000000 take some minutes.
#include "base/threads.h"
#include "conv_reference.h"
#include "guarded.h"
#include "nn/winograd.h"
#include "nn/winograd_matrices.h"
#include "tested_kernels.h"

using namespace samebits;

namespace {

struct Spec {
  int in_channels, out_channels;
  int in_lo, in_hi;
  int max_weight;
  int tile;
};

ConvAlgorithm algorithm_of(int tile) {
  return tile == 2 ? ConvAlgorithm::winograd2 : ConvAlgorithm::winograd4;
}

ConvLayer make_layer(Random& random, const Spec& spec) {
  ConvLayer layer;
  layer.in_channels = spec.in_channels;
  layer.out_channels = spec.out_channels;
  layer.kernel = 3;
  layer.in_lo = spec.in_lo;
  layer.in_hi = spec.in_hi;
  layer.algorithm = algorithm_of(spec.tile);
  layer.weight.resize(size_t{9} * spec.in_channels * spec.out_channels);
  for (int16_t& w : layer.weight)
    w = static_cast<int16_t>(extreme_or_random(random, -spec.max_weight, spec.max_weight));
  for (int o = 0; o < spec.out_channels; ++o)
    layer.bias.push_back(static_cast<int32_t>(random.bits32()));
  layer.prepare();
  return layer;
}

std::vector<int32_t> run(const ConvLayer& layer, const WinogradKernels& kernels, const RowWindow& x,
                         int begin, int end) {
  std::vector<int32_t> out(size_t{1} * (end - begin) * x.width * layer.out_channels, -1);
  winograd_rows(layer, kernels, nullptr, x, begin, end, {out.data(), nullptr, nullptr, 0, 0});
  return out;
}

void check_equal(const ConvLayer& layer, const Tensor<int16_t>& x) {
  const Tensor<int64_t> sums = reference_sums(layer, x);
  for (const WinogradKernels& kernels : all_winograd_kernels(layer.winograd.tile)) {
    const std::vector<int32_t> out =
        run(layer, kernels, {x.data.data(), 0, x.height, x.height, x.width}, 0, x.height);
    for (size_t i = 0; i < out.size(); ++i) CHECK(out[i] == wrap(sums.data[i]));
  }
}

void all_small_sizes() {
  Random random(1);
  for (const int tile : {2, 4})
    for (int height = 1; height <= 10; ++height)
      for (int width = 1; width <= 27; ++width) {
        const Spec spec{static_cast<int>(random.between(1, 35)),
                        static_cast<int>(random.between(1, 35)),
                        -100,
                        90,
                        127,
                        tile};
        const ConvLayer layer = make_layer(random, spec);
        check_equal(layer, random_tensor(random, height, width, spec.in_channels, -100, 90));
      }
}

// Chunks, groups and AVX-512's four groups at a time, whole and with rests; several blocks.
void channel_counts() {
  Random random(2);
  for (const int tile : {2, 4})
    for (const int in : {15, 16, 17, 64})
      for (const int out : {1, 16, 31, 48, 64, 65, 130}) {
        const ConvLayer layer = make_layer(random, {in, out, 0, 255, 127, tile});
        check_equal(layer, random_tensor(random, 9, 40, in, 0, 255));
      }
}

// Output rows from a window that holds just the rows they read; threads change nothing.
void windows() {
  Random random(3);
  for (int n = 0; n < 120; ++n) {
    const int tile = random.one_in(2) ? 2 : 4;
    const int channels = static_cast<int>(random.between(1, 20));
    const ConvLayer layer = make_layer(random, {channels, 18, -256, 255, 127, tile});
    const Tensor<int16_t> x =
        random_tensor(random, static_cast<int>(random.between(1, 15)),
                      static_cast<int>(random.between(1, 40)), channels, -256, 255);
    const int begin = static_cast<int>(random.between(0, x.height - 1));
    const int end = static_cast<int>(random.between(begin + 1, x.height));
    const int first = std::max(0, begin - 1), last = std::min(x.height, end + 1);
    const Guarded<int16_t> rows({x.at(first, 0), x.at(last, 0)}, random.one_in(2));
    set_thread_count(static_cast<int>(random.between(1, 4)));
    for (const WinogradKernels& kernels : all_winograd_kernels(layer.winograd.tile)) {
      const std::vector<int32_t> whole =
          run(layer, kernels, {x.data.data(), 0, x.height, x.height, x.width}, 0, x.height);
      const std::vector<int32_t> part =
          run(layer, kernels, {rows.data(), first, last - first, x.height, x.width}, begin, end);
      CHECK(std::equal(part.begin(), part.end(), whole.begin() + int64_t{begin} * x.width * 18));
    }
  }
  set_thread_count(2);
}

// Every input at the end of its range that makes transformed inputs at (i, j) largest or smallest.
Tensor<int16_t> worst_inputs(const WinogradMatrices& m, int i, int j, bool largest, int channels,
                             int lo, int hi) {
  Tensor<int16_t> x(4 * m.tile + 1, 6 * m.tile + 1, channels);
  for (int y = 0; y < x.height; ++y)
    for (int column = 0; column < x.width; ++column) {
      // The patch of tile (1, 1), (1, 3) ... begins at an input of -1 modulo 2 * tile.
      const int k = (y + 1) % (2 * m.tile) % m.size, l = (column + 1) % (2 * m.tile) % m.size;
      const bool positive = m.input[i][k] * m.input[j][l] > 0;
      std::fill_n(x.at(y, column), channels, static_cast<int16_t>(positive == largest ? hi : lo));
    }
  return x;
}

// Filters whose transform at (i, j) is as large as it can be, with either sign.
void worst_weights(Random& random, const WinogradMatrices& m, int i, int j, int limit,
                   ConvLayer& layer) {
  for (int o = 0; o < layer.out_channels; ++o) {
    const int sign = random.one_in(2) ? 1 : -1;
    for (int tap = 0; tap < 9; ++tap)
      for (int c = 0; c < layer.in_channels; ++c) {
        const int factor = m.weight[i][tap / 3] * m.weight[j][tap % 3] * sign;
        layer.weight[(o * 9 + tap) * layer.in_channels + c] =
            static_cast<int16_t>(factor < 0 ? -limit : limit);
      }
  }
}

// Inputs and weights at the limits; so many channels that sums are close to theirs.
void limits() {
  Random random(4);
  struct Limit {
    int tile, lo, hi, max_weight, channels;
  };
  for (const Limit& limit :
       {Limit{2, -8192, 8191, 3640, 2}, Limit{2, 0, 16383, 3640, 2}, Limit{2, -16383, 0, 3640, 2},
        Limit{4, -328, 327, 668, 17}, Limit{4, 0, 655, 668, 17}, Limit{4, -655, 0, 668, 17}}) {
    const WinogradMatrices& m = winograd_matrices(limit.tile);
    ConvLayer layer =
        make_layer(random, {limit.channels, 17, limit.lo, limit.hi, limit.max_weight, limit.tile});
    for (int i = 0; i < m.size; ++i)
      for (int j = 0; j < m.size; ++j) {
        worst_weights(random, m, m.size - 1 - i, m.size - 1 - j, limit.max_weight, layer);
        layer.prepare();
        for (const bool largest : {false, true})
          check_equal(layer, worst_inputs(m, i, j, largest, limit.channels, limit.lo, limit.hi));
      }
    for (const int value : {limit.lo, limit.hi})
      check_equal(layer, random_tensor(random, 7, 15, limit.channels, value, value));
  }
}

// Inputs in -256 .. 0 (-4096 .. 0) and weights of the first output channel that add up to `units`.
// The limit of the sums, 2^25 (2^29), is at 2^17 units.
ConvLayer layer_with_sum(Random& random, int tile, int units) {
  ConvLayer layer = make_layer(random, {40, 33, tile == 2 ? -4096 : -256, 0, 0, tile});
  int left = units;
  for (int n = 0; left != 0; ++n) {
    const int w = std::clamp(left, -600, 600);
    layer.weight[n] = static_cast<int16_t>(w);
    left -= w;
  }
  return layer;
}

// The smallest and the largest sums there may be.
void largest_sums() {
  Random random(5);
  for (const int tile : {2, 4})
    for (const int units : {1 << 17, 1 - (1 << 17)}) {
      ConvLayer layer = layer_with_sum(random, tile, units);
      layer.prepare();
      CHECK(layer.winograd.tile == tile && layer.winograd.center == 0);
      check_equal(layer, random_tensor(random, 9, 9, 40, layer.in_lo, layer.in_lo));
    }
}

void refused(const char* part, int tile, ConvLayer layer) {
  layer.algorithm = algorithm_of(tile);
  CHECK(winograd_refusal(layer, tile).find(part) != std::string::npos);
  CHECK_FAILS(invalid_argument, part, layer.prepare());
  layer.algorithm = ConvAlgorithm::automatic;
  layer.prepare();
  CHECK(layer.winograd.tile != tile);
}

void one_beyond() {
  Random random(6);
  for (const int tile : {2, 4}) {
    const int span = tile == 2 ? 16384 : 656, max_weight = tile == 2 ? 3640 : 668;
    const ConvLayer good = make_layer(random, {32, 32, -9, 9, 5, tile});
    ConvLayer layer = good;
    for (const int lo : {0, -span / 2, -span}) {
      layer.in_lo = lo;
      layer.in_hi = lo + span;  // one value more than fits
      refused("too wide", tile, layer);
      lo == 0 ? --layer.in_hi : ++layer.in_lo;
      layer.prepare();
    }
    layer.in_lo = 1;  // zeros around the picture count
    layer.in_hi = span;
    refused("too wide", tile, layer);

    layer = good;
    for (int tap = 0; tap < 9; ++tap)
      layer.weight[tap * 32 + 31] = static_cast<int16_t>(max_weight);
    layer.prepare();
    for (int tap = 0; tap < 9; ++tap)
      layer.weight[tap * 32 + 31] = static_cast<int16_t>(max_weight + 1);
    refused("transformed weights", tile, layer);

    refused("sums could reach", tile, layer_with_sum(random, tile, (1 << 17) + 1));
    refused("sums could reach", tile, layer_with_sum(random, tile, -(1 << 17)));
  }
}

void other_shapes() {
  Random random(7);
  ConvLayer layer = make_layer(random, {40, 40, -9, 9, 5, 4});
  layer.stride = 2;
  refused("only dense 3 x 3", 4, layer);
  layer.stride = 1;
  layer.kernel = 1;
  layer.weight.resize(1600);
  refused("only dense 3 x 3", 2, layer);
}

// The whole way through conv2d, where the algorithm is chosen.
void chosen_by_layer() {
  Random random(8);
  const auto tile_for = [&](int lo, int hi, int channels) {
    ConvLayer layer = make_layer(random, {channels, channels, -1, 1, 100, 2});
    layer.in_lo = lo;
    layer.in_hi = hi;
    layer.algorithm = ConvAlgorithm::automatic;
    layer.prepare();
    return layer.winograd.tile;
  };
  CHECK(tile_for(-32768, 32767, 64) == 0);
  CHECK(tile_for(-2048, 2047, 64) == 2);
  CHECK(tile_for(0, 255, 64) == 4);
  CHECK(tile_for(0, 255, 8) == 0);
  ConvLayer layer = make_layer(random, {64, 64, 0, 255, 100, 4});
  const Tensor<int16_t> x = random_tensor(random, 21, 35, 64, 0, 255);
  const Tensor<int64_t> sums = reference_sums(layer, x);
  for (const ConvAlgorithm algorithm : {ConvAlgorithm::automatic, ConvAlgorithm::direct,
                                        ConvAlgorithm::winograd2, ConvAlgorithm::winograd4}) {
    layer.algorithm = algorithm;
    layer.prepare();
    for (const std::string& name : targets()) {
      set_target(name);
      std::vector<int32_t> out(sums.data.size());
      conv2d_accumulate(layer, x.data.data(), x.height, x.width, out.data());
      for (size_t i = 0; i < out.size(); ++i) CHECK(out[i] == wrap(sums.data[i]));
    }
  }
}

int64_t compare_random_layer(Random& random) {
  const int tile = random.one_in(2) ? 2 : 4;
  const int most = tile == 2 ? 16383 : 655;
  const int span = static_cast<int>(extreme_or_random(random, 1, most));
  const int lo = static_cast<int>(extreme_or_random(random, -span, 0));
  const int channels = static_cast<int>(random.between(1, 48));
  const int outputs = static_cast<int>(random.between(1, 80));
  const int64_t sum_limit = (tile == 2 ? int64_t{1} << 29 : int64_t{1} << 25) - 1;
  const int max_weight = static_cast<int>(
      std::min<int64_t>(tile == 2 ? 3640 : 668, sum_limit / (int64_t{9} * channels * span)));
  if (max_weight == 0) return 0;
  const ConvLayer layer = make_layer(random, {channels, outputs, lo, lo + span, max_weight, tile});
  const Tensor<int16_t> x =
      random_tensor(random, static_cast<int>(random.between(1, 24)),
                    static_cast<int>(random.between(1, 40)), channels, lo, lo + span);
  set_target("scalar");
  ConvLayer direct = layer;
  direct.algorithm = ConvAlgorithm::direct;
  direct.prepare();
  std::vector<int32_t> expected(size_t{1} * x.height * x.width * outputs);
  conv2d_accumulate(direct, x.data.data(), x.height, x.width, expected.data());
  const Guarded<int16_t> guarded(x.data, random.one_in(2));
  for (const WinogradKernels& kernels : all_winograd_kernels(layer.winograd.tile))
    CHECK(run(layer, kernels, {guarded.data(), 0, x.height, x.height, x.width}, 0, x.height) ==
          expected);
  const int64_t tiles = int64_t{(x.height + tile - 1) / tile} * ((x.width + tile - 1) / tile);
  return (tiles + 5) / 6 * ((outputs + 15) / 16);
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t wanted = argc > 1 ? std::atoll(argv[1]) : 3000;
  const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  all_small_sizes();
  channel_counts();
  windows();
  limits();
  largest_sums();
  one_beyond();
  other_shapes();
  chosen_by_layer();
  Random random(seed);
  int64_t blocks = 0;
  while (blocks < wanted) blocks += compare_random_layer(random);
  std::printf("%lld blocks from seed %llu: equal\n", static_cast<long long>(blocks),
              static_cast<unsigned long long>(seed));
}
