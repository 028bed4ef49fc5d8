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

// What the table in winograd_plan.cpp says.
struct Limit {
  ConvAlgorithm algorithm;
  WinogradTile tile;
  int values;
  int max_weight;
  int64_t sum;
};
constexpr Limit kLimits[] = {{ConvAlgorithm::winograd2, {2, 2}, 16384, 3640, int64_t{1} << 29},
                             {ConvAlgorithm::winograd2x3, {2, 3}, 5462, 1560, int64_t{1} << 29},
                             {ConvAlgorithm::winograd2x4, {2, 4}, 3277, 1560, int64_t{1} << 27},
                             {ConvAlgorithm::winograd3, {3, 3}, 1821, 668, int64_t{1} << 29},
                             {ConvAlgorithm::winograd3x4, {3, 4}, 1093, 668, int64_t{1} << 27},
                             {ConvAlgorithm::winograd4, {4, 4}, 656, 668, int64_t{1} << 25}};

struct Spec {
  int in_channels, out_channels;
  int in_lo, in_hi;
  int max_weight;
  ConvAlgorithm algorithm;
};

ConvLayer make_layer(Random& random, const Spec& spec) {
  ConvLayer layer;
  layer.in_channels = spec.in_channels;
  layer.out_channels = spec.out_channels;
  layer.kernel = 3;
  layer.in_lo = spec.in_lo;
  layer.in_hi = spec.in_hi;
  layer.algorithm = spec.algorithm;
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
  for (const Limit& limit : kLimits)
    for (int height = 1; height <= 9; ++height)
      for (int width = 1; width <= 26; ++width) {
        const Spec spec{static_cast<int>(random.between(1, 35)),
                        static_cast<int>(random.between(1, 35)),
                        -100,
                        90,
                        127,
                        limit.algorithm};
        const ConvLayer layer = make_layer(random, spec);
        check_equal(layer, random_tensor(random, height, width, spec.in_channels, -100, 90));
      }
}

// Chunks, groups and AVX-512's four groups at a time, whole and with rests; several blocks.
void channel_counts() {
  Random random(2);
  for (const Limit& limit : kLimits)
    for (const int in : {15, 16, 17, 64})
      for (const int out : {1, 16, 31, 48, 64, 65, 130}) {
        const ConvLayer layer = make_layer(random, {in, out, 0, 255, 127, limit.algorithm});
        check_equal(layer, random_tensor(random, 9, 40, in, 0, 255));
      }
}

// Output rows from a window that holds just the rows they read; threads change nothing.
void windows() {
  Random random(3);
  for (int n = 0; n < 200; ++n) {
    const Limit& limit = kLimits[n % 6];
    const int channels = static_cast<int>(random.between(1, 20));
    const ConvLayer layer = make_layer(random, {channels, 18, -256, 255, 127, limit.algorithm});
    const Tensor<int16_t> x =
        random_tensor(random, static_cast<int>(random.between(1, 15)),
                      static_cast<int>(random.between(1, 40)), channels, -256, 255);
    const int begin = static_cast<int>(random.between(0, x.height - 1));
    const int end = static_cast<int>(random.between(begin + 1, x.height));
    const int first = std::max(0, begin - 1), last = std::min(x.height, end + 1);
    const Guarded<int16_t> rows({x.at(first, 0), x.at(last, 0)}, random.one_in(2));
    set_thread_count(static_cast<int>(random.between(1, 4)));
    for (const WinogradKernels& kernels : all_winograd_kernels(limit.tile)) {
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
Tensor<int16_t> worst_inputs(WinogradTile tile, int i, int j, bool largest, int channels, int lo,
                             int hi) {
  const WinogradMatrices& r = winograd_matrices(tile.rows);
  const WinogradMatrices& c = winograd_matrices(tile.columns);
  Tensor<int16_t> x(4 * tile.rows + 1, 6 * tile.columns + 1, channels);
  for (int y = 0; y < x.height; ++y)
    for (int column = 0; column < x.width; ++column) {
      // Every second patch begins at an input of -1 modulo two tiles.
      const int k = (y + 1) % (2 * r.tile) % r.size, l = (column + 1) % (2 * c.tile) % c.size;
      const bool positive = r.input[i][k] * c.input[j][l] > 0;
      std::fill_n(x.at(y, column), channels, static_cast<int16_t>(positive == largest ? hi : lo));
    }
  return x;
}

// Filters whose transform at (i, j) is as large as it can be, with either sign.
void worst_weights(Random& random, WinogradTile tile, int i, int j, int limit, ConvLayer& layer) {
  const WinogradMatrices& r = winograd_matrices(tile.rows);
  const WinogradMatrices& c = winograd_matrices(tile.columns);
  for (int o = 0; o < layer.out_channels; ++o) {
    const int sign = random.one_in(2) ? 1 : -1;
    for (int tap = 0; tap < 9; ++tap)
      for (int n = 0; n < layer.in_channels; ++n) {
        const int factor = r.weight[i][tap / 3] * c.weight[j][tap % 3] * sign;
        layer.weight[(o * 9 + tap) * layer.in_channels + n] =
            static_cast<int16_t>(factor < 0 ? -limit : limit);
      }
  }
}

// One layer at the limits: inputs in lo .. lo + values - 1, the largest weights, and so many
// channels that sums are close to their limit.
void check_limits(Random& random, const Limit& limit, int lo) {
  const int hi = lo + limit.values - 1;
  const int64_t largest = limit.values / 2;  // after centering
  const int channels = static_cast<int>((limit.sum - 1) / (9 * largest * limit.max_weight));
  CHECK(channels >= 2);
  ConvLayer layer = make_layer(random, {channels, 17, lo, hi, limit.max_weight, limit.algorithm});
  const int bottom = limit.tile.rows + 1, right = limit.tile.columns + 1;
  for (int i = 0; i <= bottom; ++i)
    for (int j = 0; j <= right; ++j) {
      worst_weights(random, limit.tile, bottom - i, right - j, limit.max_weight, layer);
      layer.prepare();
      for (const bool most : {false, true})
        check_equal(layer, worst_inputs(limit.tile, i, j, most, channels, lo, hi));
    }
  for (const int value : {lo, hi})
    check_equal(layer, random_tensor(random, 7, 15, channels, value, value));
}

void limits() {
  Random random(4);
  for (const Limit& limit : kLimits)
    for (const int lo : {0, -limit.values / 2, 1 - limit.values}) check_limits(random, limit, lo);
}

// Inputs in -256 .. 255 and weights of the first output channel that add up to sum / 256.
ConvLayer layer_with_sum(Random& random, const Limit& limit, int64_t sum) {
  const int channels = limit.sum == int64_t{1} << 25 ? 40 : 400;
  ConvLayer layer = make_layer(random, {channels, 33, -256, 255, 0, limit.algorithm});
  int64_t left = sum / 256;
  for (int n = 0; left != 0; ++n) {
    const int64_t w = std::clamp<int64_t>(left, -660, 660);
    layer.weight[n] = static_cast<int16_t>(w);
    left -= w;
  }
  return layer;
}

// The smallest and the largest sums there may be.
void largest_sums() {
  Random random(5);
  for (const Limit& limit : kLimits)
    for (const int64_t sum : {limit.sum, 256 - limit.sum}) {
      ConvLayer layer = layer_with_sum(random, limit, sum);
      layer.prepare();
      CHECK(layer.winograd.tile == limit.tile && layer.winograd.center == 0);
      check_equal(layer, random_tensor(random, 5, 9, layer.in_channels, -256, -256));
    }
}

void refused(const std::string& part, const Limit& limit, ConvLayer layer) {
  layer.algorithm = limit.algorithm;
  CHECK(winograd_refusal(layer, limit.tile).find(part) != std::string::npos);
  CHECK_FAILS(invalid_argument, part, layer.prepare());
  layer.algorithm = ConvAlgorithm::automatic;
  layer.prepare();
  CHECK(layer.winograd.tile != limit.tile);
}

void one_beyond() {
  Random random(6);
  for (const Limit& limit : kLimits) {
    const ConvLayer good = make_layer(random, {32, 32, -9, 9, 5, limit.algorithm});
    const std::string too_wide = "no more than " + std::to_string(limit.values) + " values";
    ConvLayer layer = good;
    for (const int lo : {0, -limit.values / 2, -limit.values}) {
      layer.in_lo = lo;
      layer.in_hi = lo + limit.values;  // one value more than fits
      refused(too_wide, limit, layer);
      lo == 0 ? --layer.in_hi : ++layer.in_lo;
      layer.prepare();
    }
    layer.in_lo = 1;  // zeros around the picture count
    layer.in_hi = limit.values;
    refused(too_wide, limit, layer);

    layer = good;
    const auto set_filter = [&](int w) {
      for (int tap = 0; tap < 9; ++tap) layer.weight[tap * 32 + 31] = static_cast<int16_t>(w);
    };
    set_filter(limit.max_weight);
    layer.prepare();
    set_filter(limit.max_weight + 1);
    refused("transformed weights", limit, layer);

    refused("sums could reach", limit, layer_with_sum(random, limit, limit.sum + 256));
    refused("sums could reach", limit, layer_with_sum(random, limit, -limit.sum));
  }
}

void other_shapes() {
  Random random(7);
  ConvLayer layer = make_layer(random, {40, 40, -9, 9, 5, ConvAlgorithm::winograd4});
  layer.stride = 2;
  refused("only dense 3 x 3", kLimits[5], layer);
  layer.stride = 1;
  layer.kernel = 1;
  layer.weight.resize(1600);
  refused("only dense 3 x 3", kLimits[0], layer);
}

WinogradTile chosen_tile(Random& random, int lo, int hi, int channels) {
  ConvLayer layer = make_layer(random, {channels, channels, -1, 1, 100, ConvAlgorithm::winograd2});
  layer.in_lo = lo;
  layer.in_hi = hi;
  layer.algorithm = ConvAlgorithm::automatic;
  layer.prepare();
  return layer.winograd.tile;
}

// The whole way through conv2d, where the algorithm is chosen.
void chosen_by_layer() {
  Random random(8);
  CHECK(chosen_tile(random, -32768, 32767, 64) == WinogradTile{});
  CHECK((chosen_tile(random, -8191, 8191, 64) == WinogradTile{2, 2}));
  CHECK((chosen_tile(random, -2048, 2047, 64) == WinogradTile{2, 3}));
  CHECK((chosen_tile(random, -512, 511, 64) == WinogradTile{3, 4}));
  CHECK((chosen_tile(random, 0, 255, 64) == WinogradTile{4, 4}));
  CHECK(chosen_tile(random, 0, 255, 8) == WinogradTile{});
  ConvLayer layer = random_layer(random, 64, 64, false, 100);
  layer.kernel = 3;
  layer.stride = 1;
  layer.in_lo = 0;
  layer.in_hi = 255;
  layer.weight.assign(size_t{9} * 64 * 64, 0);
  for (int16_t& w : layer.weight) w = static_cast<int16_t>(random.between(-100, 100));
  const Tensor<int16_t> x = random_tensor(random, 21, 35, 64, 0, 255);
  const std::vector<int16_t> add = random_tensor(random, 21, 35, 64).data;
  const Residual residual{add.data(), -20000, 30000};
  const Tensor<int64_t> sums = reference_sums(layer, x);
  std::vector<int32_t> out(sums.data.size());
  std::vector<int16_t> activations(out.size());
  for (int algorithm = 0; algorithm <= static_cast<int>(ConvAlgorithm::winograd4); ++algorithm) {
    layer.algorithm = static_cast<ConvAlgorithm>(algorithm);
    layer.prepare();
    for (const std::string& name : targets()) {
      set_target(name);
      conv2d_accumulate(layer, x.data.data(), x.height, x.width, out.data());
      conv2d_rows(layer, {x.data.data(), 0, x.height, x.height, x.width}, 0, x.height,
                  activations.data(), &residual);
      for (size_t i = 0; i < out.size(); ++i) {
        CHECK(out[i] == wrap(sums.data[i]));
        const size_t o = i % 64;
        const int alone = reference_requantize(out[i], layer.multiplier[o], layer.shift[o],
                                               layer.leaky, layer.lo, layer.hi);
        CHECK(activations[i] == std::clamp(alone + add[i], -20000, 30000));
      }
    }
  }
}

int64_t compare_random_layer(Random& random) {
  const Limit& limit = kLimits[random.between(0, 5)];
  const int span = static_cast<int>(extreme_or_random(random, 1, limit.values - 1));
  const int lo = static_cast<int>(extreme_or_random(random, -span, 0));
  const int channels = static_cast<int>(random.between(1, 48));
  const int outputs = static_cast<int>(random.between(1, 80));
  const int max_weight = static_cast<int>(
      std::min<int64_t>(limit.max_weight, (limit.sum - 1) / (int64_t{9} * channels * span)));
  const ConvLayer layer =
      make_layer(random, {channels, outputs, lo, lo + span, max_weight, limit.algorithm});
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
  for (const WinogradKernels& kernels : all_winograd_kernels(limit.tile))
    CHECK(run(layer, kernels, {guarded.data(), 0, x.height, x.height, x.width}, 0, x.height) ==
          expected);
  const int64_t tiles =
      int64_t{(x.height - 1) / limit.tile.rows + 1} * ((x.width - 1) / limit.tile.columns + 1);
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
