// When a Winograd convolution is exact, and its weights.
//
// Every sum may wrap modulo 2^32, so only three things can make a difference to the direct sum:
//
// 1. Transformed inputs are int16. Position (i, j) is the sum of inputs times row i of the rows'
//    `input` and row j of the columns'. With P and N the sums of the positive and of the negative
//    products of these rows' elements, inputs in lo .. hi give P * lo - N * hi .. P * hi - N * lo.
//    All rows of `input` but row 1 sum up to 0, so P = N except at (1, 1), and all other positions
//    depend on hi - lo alone. So the center of the inputs is taken off, which changes position
//    (1, 1) only and costs one subtraction. The sum then lacks center * (sum
//    of the weights), the same for all outputs if the zeros around the picture are moved too, and
//    that is added to the bias.
// 2. Transformed weights are int16. They are computed here, and looked at.
// 3. The sum times 2^shift is an int32, before the bias is added. Here by the sum over the weights
//    of an output channel, each with its worst input.
//
//     tile   multiplications saved   values of the inputs   weights    sums
//     2 x 2  2.25 times              16384                  <= 3640    < 2^29
//     2 x 3  2.7                     5462                   <= 1560    < 2^29
//     2 x 4  3                       3277                   <= 1560    < 2^27
//     3 x 3  3.24                    1821                   <= 668     < 2^29
//     3 x 4  3.6                     1093                   <= 668     < 2^27
//     4 x 4  4                       656                    <= 668     < 2^25
#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "nn/pack_weights.h"
#include "nn/winograd.h"
#include "nn/winograd_matrices.h"

namespace samebits {
namespace {

// With fewer channels the transforms cost more than the multiplications they save.
constexpr int kMinChannels = 16;

struct Range {
  int64_t lo, hi;
};

bool fits_int16(Range r) {
  return r.lo >= INT16_MIN && r.hi <= INT16_MAX;
}

// Inputs of a layer, zeros around the picture included.
Range input_range(const ConvLayer& layer) {
  return {std::min(layer.in_lo, 0), std::max(layer.in_hi, 0)};
}

// A tile's algorithm for rows and for columns.
struct TileMatrices {
  explicit TileMatrices(WinogradTile tile)
      : rows(winograd_matrices(tile.rows)), columns(winograd_matrices(tile.columns)) {}

  const WinogradMatrices& rows;
  const WinogradMatrices& columns;
};

int max_shift(const WinogradMatrices& m) {
  return *std::max_element(m.shift, m.shift + m.tile);
}

// Sums beyond are not an int32 any more when they are scaled.
int64_t sum_limit(const TileMatrices& m) {
  return (int64_t{1} << 31) >> (max_shift(m.rows) + max_shift(m.columns));
}

// Point 1.
Range transformed_range(const TileMatrices& m, int i, int j, Range x) {
  int64_t positive = 0, negative = 0;
  for (int k = 0; k < m.rows.size; ++k)
    for (int l = 0; l < m.columns.size; ++l) {
      const int product = m.rows.input[i][k] * m.columns.input[j][l];
      (product > 0 ? positive : negative) += std::abs(product);
    }
  return {positive * x.lo - negative * x.hi, positive * x.hi - negative * x.lo};
}

bool inputs_fit(const TileMatrices& m, Range x) {
  for (int i = 0; i < m.rows.size; ++i)
    for (int j = 0; j < m.columns.size; ++j)
      if (!fits_int16(transformed_range(m, i, j, x))) return false;
  return true;
}

// Of all inputs, 0 among them. It also gives the smallest sums.
int center_of(Range x) {
  return static_cast<int>((x.lo + x.hi + 1) >> 1);
}

Range centered(Range x) {
  return {x.lo - center_of(x), x.hi - center_of(x)};
}

// How many values inputs may have.
int64_t most_values(const TileMatrices& m) {
  int64_t fits = 1, too_many = 65537;
  while (too_many - fits > 1) {
    const int64_t half = (fits + too_many) / 2;
    (inputs_fit(m, centered({0, half - 1})) ? fits : too_many) = half;
  }
  return fits;
}

// weight * w * weight^T for `count` neighboring input channels at a time.
struct TransformedChunk {
  int32_t at[kMaxWinogradPositions][kWinogradChunk];
};

void transform_filters(const TileMatrices& m, const int16_t* w, int64_t tap_step, int count,
                       TransformedChunk& out) {
  int32_t half[kMaxWinogradSize][3][kWinogradChunk] = {};
  for (int i = 0; i < m.rows.size; ++i)
    for (int x = 0; x < 3; ++x)
      for (int y = 0; y < 3; ++y) {
        const int32_t factor = m.rows.weight[i][y];
        for (int c = 0; c < count; ++c) half[i][x][c] += factor * w[(y * 3 + x) * tap_step + c];
      }
  for (int i = 0; i < m.rows.size; ++i)
    for (int j = 0; j < m.columns.size; ++j) {
      const int32_t f0 = m.columns.weight[j][0], f1 = m.columns.weight[j][1],
                    f2 = m.columns.weight[j][2];
      for (int c = 0; c < kWinogradChunk; ++c)
        out.at[i * m.columns.size + j][c] =
            half[i][0][c] * f0 + half[i][1][c] * f1 + half[i][2][c] * f2;
    }
}

// Calls use(output channel, first input channel, how many, transformed weights).
template <class Use>
void for_transformed_weights(const ConvLayer& layer, WinogradTile tile, const Use& use) {
  const TileMatrices m(tile);
  TransformedChunk transformed;
  for (int o = 0; o < layer.out_channels; ++o)
    for (int i = 0; i < layer.in_channels; i += kWinogradChunk) {
      const int count = std::min(kWinogradChunk, layer.in_channels - i);
      transform_filters(m, &layer.weight[int64_t{o} * 9 * layer.in_channels + i], layer.in_channels,
                        count, transformed);
      use(o, i, count, transformed);
    }
}

// The largest sum of a row's absolute values.
int largest_row(const WinogradMatrices& m) {
  int most = 0;
  for (int i = 0; i < m.size; ++i)
    most = std::max(most,
                    std::abs(m.weight[i][0]) + std::abs(m.weight[i][1]) + std::abs(m.weight[i][2]));
  return most;
}

// Point 2.
bool weights_fit(const ConvLayer& layer, WinogradTile tile) {
  const TileMatrices m(tile);
  const int harmless = INT16_MAX / (largest_row(m.rows) * largest_row(m.columns));
  if (std::all_of(layer.weight.begin(), layer.weight.end(),
                  [&](int16_t w) { return std::abs(int{w}) <= harmless; }))
    return true;
  bool fit = true;
  for_transformed_weights(layer, tile, [&](int, int, int count, const TransformedChunk& t) {
    for (int p = 0; p < tile.positions(); ++p)
      for (int c = 0; c < count; ++c) fit = fit && fits_int16({t.at[p][c], t.at[p][c]});
  });
  return fit;
}

// Point 3.
bool sums_fit(const ConvLayer& layer, int64_t limit, Range x) {
  const int64_t per_output = int64_t{9} * layer.in_channels;
  for (int o = 0; o < layer.out_channels; ++o) {
    Range sum{0, 0};
    for (int64_t i = 0; i < per_output; ++i) {
      const int64_t w = layer.weight[o * per_output + i];
      sum.lo += std::min(w * x.lo, w * x.hi);
      sum.hi += std::max(w * x.lo, w * x.hi);
    }
    if (sum.lo < -limit || sum.hi >= limit) return false;
  }
  return true;
}

int64_t sum_of_weights(const ConvLayer& layer, int o) {
  const int64_t per_output = int64_t{9} * layer.in_channels;
  int64_t sum = 0;
  for (int64_t i = 0; i < per_output; ++i) sum += layer.weight[o * per_output + i];
  return sum;
}

WinogradWeights pack(const ConvLayer& layer, WinogradTile tile) {
  WinogradWeights packed;
  packed.tile = tile;
  packed.center = center_of(input_range(layer));
  const int chunks = (layer.in_channels + kWinogradChunk - 1) / kWinogradChunk;
  const int64_t position = int64_t{chunks} * kWinogradChunk * kWinogradGroup;
  const int64_t group = tile.positions() * position;
  packed.weight.resize(group_count(layer.out_channels) * group);
  packed.bias.resize(group_count(layer.out_channels) * kWinogradGroup);
  for_transformed_weights(
      layer, tile, [&](int o, int first, int count, const TransformedChunk& transformed) {
        int16_t* out = packed.weight.data() + o / kWinogradGroup * group +
                       int64_t{first} * kWinogradGroup + 2 * place_in_group(o % kWinogradGroup);
        for (int p = 0; p < tile.positions(); ++p, out += position)
          for (int c = 0; c < count; ++c)
            out[c / 2 * 2 * kWinogradGroup + c % 2] = static_cast<int16_t>(transformed.at[p][c]);
      });
  for (int o = 0; o < layer.out_channels; ++o) {
    const int64_t bias = layer.bias.empty() ? 0 : layer.bias[o];
    packed.bias[o / kWinogradGroup * kWinogradGroup + place_in_group(o % kWinogradGroup)] =
        static_cast<int32_t>(
            static_cast<uint32_t>(bias + packed.center * sum_of_weights(layer, o)));
  }
  return packed;
}

struct NamedTile {
  ConvAlgorithm algorithm;
  WinogradTile tile;
};

// The fastest first. 2 x 4 is as fast as 3 x 3, and better in strips of few rows.
constexpr NamedTile kTiles[] = {
    {ConvAlgorithm::winograd4, {4, 4}},   {ConvAlgorithm::winograd3x4, {3, 4}},
    {ConvAlgorithm::winograd2x4, {2, 4}}, {ConvAlgorithm::winograd3, {3, 3}},
    {ConvAlgorithm::winograd2x3, {2, 3}}, {ConvAlgorithm::winograd2, {2, 2}}};

std::string name_of(WinogradTile tile) {
  return std::to_string(tile.rows) + " x " + std::to_string(tile.columns);
}

}  // namespace

WinogradTile winograd_tile(ConvAlgorithm algorithm) {
  for (const NamedTile& named : kTiles)
    if (named.algorithm == algorithm) return named.tile;
  return {};
}

std::string winograd_refusal(const ConvLayer& layer, WinogradTile tile) {
  if (layer.depthwise || layer.kernel != 3 || layer.stride != 1)
    return "only dense 3 x 3 layers with stride 1 have a Winograd convolution";
  const TileMatrices m(tile);
  const Range x = input_range(layer);
  const std::string inputs = "inputs in " + std::to_string(x.lo) + ".." + std::to_string(x.hi);
  if (!inputs_fit(m, centered(x)))
    return inputs + " are too wide: they must span no more than " + std::to_string(most_values(m)) +
           " values, 0 among them";
  if (!weights_fit(layer, tile)) return "the transformed weights do not fit in int16";
  const int64_t limit = sum_limit(m);
  if (!sums_fit(layer, limit, centered(x)))
    return "with " + inputs + ", sums could reach " + std::to_string(limit);
  return "";
}

WinogradWeights plan_winograd(const ConvLayer& layer) {
  const WinogradTile forced = winograd_tile(layer.algorithm);
  if (forced != WinogradTile{}) {
    const std::string refusal = winograd_refusal(layer, forced);
    if (!refusal.empty())
      fail(ErrorKind::invalid_argument, "convolution: Winograd with tiles of " + name_of(forced) +
                                            " is not exact here: " + refusal);
    return pack(layer, forced);
  }
  if (layer.algorithm == ConvAlgorithm::direct ||
      std::min(layer.in_channels, layer.out_channels) < kMinChannels)
    return {};
  for (const NamedTile& named : kTiles)
    if (winograd_refusal(layer, named.tile).empty()) return pack(layer, named.tile);
  return {};
}

}  // namespace samebits
