// The definition of the convolutions and of requantization (arithmetic.md 2): plain loops. Sums are
// made modulo 2^32, so that no input is undefined behavior; loaded networks never wrap (section 6).
#include "base/fixed_point.h"
#include "nn/conv.h"
#include "nn/conv_kernels.h"

namespace samebits {
namespace {

uint32_t dot(const int16_t* w, const int16_t* x, int n) {
  uint32_t sum = 0;
  for (int i = 0; i < n; ++i) sum += static_cast<uint32_t>(int32_t{w[i]} * int32_t{x[i]});
  return sum;
}

uint32_t bias_of(const ConvLayer& layer, int o) {
  return layer.bias.empty() ? 0 : static_cast<uint32_t>(layer.bias[o]);
}

}  // namespace

void dense_block_scalar(const ConvLayer& layer, const ConvBlock& block, int32_t* acc) {
  const int64_t output_weights = int64_t{block.taps} * block.in_channels;
  for (int o = 0; o < layer.out_channels; ++o) {
    for (int p = 0; p < block.pixels; ++p) {
      const int16_t* w = layer.weight.data() + o * output_weights;
      uint32_t sum = bias_of(layer, o);
      for (int t = 0; t < block.taps; ++t, w += block.in_channels)
        sum += dot(w, block.inputs[t * block.pixels + p], block.in_channels);
      acc[int64_t{p} * layer.out_channels + o] = static_cast<int32_t>(sum);
    }
  }
}

void depthwise_block_scalar(const ConvLayer& layer, const ConvBlock& block, int32_t* acc) {
  for (int p = 0; p < block.pixels; ++p, acc += layer.out_channels) {
    for (int c = 0; c < layer.out_channels; ++c) {
      uint32_t sum = bias_of(layer, c);
      const int16_t* w = layer.weight.data() + static_cast<int64_t>(c) * block.taps;
      for (int t = 0; t < block.taps; ++t)
        sum +=
            static_cast<uint32_t>(int32_t{w[t]} * int32_t{block.inputs[t * block.pixels + p][c]});
      acc[c] = static_cast<int32_t>(sum);
    }
  }
}

void requantize_scalar(const int32_t* acc, int channels, const int32_t* multiplier,
                       const int32_t* shift, const ActivationRange& range, int16_t* out) {
  for (int o = 0; o < channels; ++o) {
    int64_t v = round_shift(int64_t{acc[o]} * multiplier[o], shift[o]);
    if (range.leaky >= 0 && v < 0) v >>= range.leaky;  // max(v, v >> leaky)
    out[o] = static_cast<int16_t>(clamp<int64_t>(v, range.lo, range.hi));
  }
}

}  // namespace samebits
