// When a Winograd convolution is exact, and its weights.
//
// Every sum may wrap modulo 2^32, so only three things can make a difference to the direct sum:
//
// 1. Transformed inputs are int16. Position (i, j) is the sum of inputs times row i and row j of
//    `input`. With P and N the sums of the positive and of the negative products of these rows'
//    elements, inputs in lo .. hi give N' = P * lo - N * hi .. P * hi - N * lo.
//    F(2x2): P = N = 2 except at (1, 1), where P = 4 and N = 0: -8192 .. 8191 just fits.
//    F(4x4): P = N = 50, 30 or 18, except at (1, 1), where P = 68 and N = 32: -328 .. 327 just
//    fits. All rows of `input` but row 1 sum up to 0. So if inputs are not centered around 0, the
//    center can be taken off, which changes position (1, 1) only and costs one subtraction: any
//    range of 16384 values fits F(2x2), any of 656 values F(4x4). The sum then lacks center * (sum
//    of the weights), the same for all outputs if the zeros around the picture are moved too, and
//    that is added to the bias.
// 2. Transformed weights are int16. They are computed here, and looked at. F(2x2): |w| <= 3640 is
//    enough, F(4x4): |w| <= 668.
// 3. The sum times 2^shift is an int32, before the bias is added: below 2^29 for F(2x2) and 2^25
// for
//    F(4x4). Here by the sum over the weights of an output channel, each with its worst input.
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
constexpr int kMinChannels = 32;

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

// Point 1.
Range transformed_range(const WinogradMatrices& m, int i, int j, Range x) {
  int64_t positive = 0, negative = 0;
  for (int k = 0; k < m.size; ++k)
    for (int l = 0; l < m.size; ++l) {
      const int product = m.input[i][k] * m.input[j][l];
      (product > 0 ? positive : negative) += std::abs(product);
    }
  return {positive * x.lo - negative * x.hi, positive * x.hi - negative * x.lo};
}

bool inputs_fit(const WinogradMatrices& m, Range x) {
  for (int i = 0; i < m.size; ++i)
    for (int j = 0; j < m.size; ++j)
      if (!fits_int16(transformed_range(m, i, j, x))) return false;
  return true;
}

int center_of(const WinogradMatrices& m, Range x) {
  return inputs_fit(m, x) ? 0 : static_cast<int>((x.lo + x.hi + 1) >> 1);
}

// weight * w * weight^T for `count` neighboring input channels at a time.
struct TransformedChunk {
  int32_t at[kMaxWinogradSize * kMaxWinogradSize][kWinogradChunk];
};

template <int kTile>
void transform_filters(const int16_t* w, int64_t tap_step, int count, TransformedChunk& out) {
  constexpr WinogradMatrices m = winograd_matrices(kTile);
  int32_t half[m.size][3][kWinogradChunk] = {};
  for (int i = 0; i < m.size; ++i)
    for (int x = 0; x < 3; ++x)
      for (int y = 0; y < 3; ++y)
        for (int c = 0; c < count; ++c)
          half[i][x][c] += m.weight[i][y] * w[(y * 3 + x) * tap_step + c];
  for (int i = 0; i < m.size; ++i)
    for (int j = 0; j < m.size; ++j)
      for (int c = 0; c < kWinogradChunk; ++c)
        out.at[i * m.size + j][c] = half[i][0][c] * m.weight[j][0] +
                                    half[i][1][c] * m.weight[j][1] + half[i][2][c] * m.weight[j][2];
}

// Calls use(output channel, first input channel, how many, transformed weights).
template <class Use>
void for_transformed_weights(const ConvLayer& layer, int tile, const Use& use) {
  const auto transform = tile == 2 ? transform_filters<2> : transform_filters<4>;
  TransformedChunk transformed;
  for (int o = 0; o < layer.out_channels; ++o)
    for (int i = 0; i < layer.in_channels; i += kWinogradChunk) {
      const int count = std::min(kWinogradChunk, layer.in_channels - i);
      transform(&layer.weight[int64_t{o} * 9 * layer.in_channels + i], layer.in_channels, count,
                transformed);
      use(o, i, count, transformed);
    }
}

// Point 2.
bool weights_fit(const ConvLayer& layer, const WinogradMatrices& m) {
  const auto small = [&](int16_t w) { return std::abs(int{w}) <= (m.tile == 2 ? 3640 : 668); };
  if (std::all_of(layer.weight.begin(), layer.weight.end(), small)) return true;
  bool fit = true;
  for_transformed_weights(layer, m.tile, [&](int, int, int count, const TransformedChunk& t) {
    for (int p = 0; p < m.positions(); ++p)
      for (int c = 0; c < count; ++c) fit = fit && fits_int16({t.at[p][c], t.at[p][c]});
  });
  return fit;
}

// Point 3.
bool sums_fit(const ConvLayer& layer, const WinogradMatrices& m, Range x) {
  const int shift = 2 * *std::max_element(m.shift, m.shift + m.tile);
  const int64_t limit = (int64_t{1} << 31) >> shift;
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

WinogradWeights pack(const ConvLayer& layer, int tile) {
  const WinogradMatrices& m = winograd_matrices(tile);
  WinogradWeights packed;
  packed.tile = tile;
  packed.center = center_of(m, input_range(layer));
  const int chunks = (layer.in_channels + kWinogradChunk - 1) / kWinogradChunk;
  const int64_t position = int64_t{chunks} * kWinogradChunk * kWinogradGroup;
  const int64_t group = m.positions() * position;
  packed.weight.resize(group_count(layer.out_channels) * group);
  packed.bias.resize(group_count(layer.out_channels) * kWinogradGroup);
  for_transformed_weights(
      layer, tile, [&](int o, int first, int count, const TransformedChunk& transformed) {
        int16_t* out = packed.weight.data() + o / kWinogradGroup * group +
                       int64_t{first} * kWinogradGroup + 2 * place_in_group(o % kWinogradGroup);
        for (int p = 0; p < m.positions(); ++p, out += position)
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

int forced_tile(ConvAlgorithm algorithm) {
  return algorithm == ConvAlgorithm::winograd2 ? 2 : algorithm == ConvAlgorithm::winograd4 ? 4 : 0;
}

}  // namespace

std::string winograd_refusal(const ConvLayer& layer, int tile) {
  if (layer.depthwise || layer.kernel != 3 || layer.stride != 1)
    return "only dense 3 x 3 layers with stride 1 have a Winograd convolution";
  const WinogradMatrices& m = winograd_matrices(tile);
  const Range x = input_range(layer);
  const std::string inputs = "inputs in " + std::to_string(x.lo) + ".." + std::to_string(x.hi);
  const int center = center_of(m, x);
  const Range centered{x.lo - center, x.hi - center};
  if (!inputs_fit(m, centered))
    return inputs + " are too wide: they must span no more than " + (tile == 2 ? "16384" : "656") +
           " values, 0 among them";
  if (!weights_fit(layer, m)) return "the transformed weights do not fit in int16";
  if (!sums_fit(layer, m, centered))
    return "with " + inputs + ", sums could reach 2^" + (tile == 2 ? "29" : "25");
  return "";
}

WinogradWeights plan_winograd(const ConvLayer& layer) {
  const int forced = forced_tile(layer.algorithm);
  if (forced != 0) {
    const std::string refusal = winograd_refusal(layer, forced);
    if (!refusal.empty())
      fail(ErrorKind::invalid_argument, "convolution: algorithm winograd" + std::to_string(forced) +
                                            " is not exact here: " + refusal);
    return pack(layer, forced);
  }
  if (layer.algorithm == ConvAlgorithm::direct ||
      std::min(layer.in_channels, layer.out_channels) < kMinChannels)
    return {};
  for (const int tile : {4, 2})
    if (winograd_refusal(layer, tile).empty()) return pack(layer, tile);
  return {};
}

}  // namespace samebits
