// A second, naive writing of the convolution of arithmetic.md 2, for comparing: 64-bit sums, one
// element at a time, no code shared with csrc/nn.
#pragma once

#include <vector>

#include "check.h"
#include "nn/conv.h"
#include "nn/tensor.h"

inline samebits::Tensor<int64_t> reference_sums(const samebits::ConvLayer& layer,
                                                const samebits::Tensor<int16_t>& x) {
  const int k = layer.kernel, s = layer.stride, pad = k == 3 ? 1 : 0;
  samebits::Tensor<int64_t> out((x.height - 1) / s + 1, (x.width - 1) / s + 1, layer.out_channels);
  for (int i = 0; i < out.height; ++i)
    for (int j = 0; j < out.width; ++j)
      for (int o = 0; o < out.channels; ++o) {
        int64_t sum = layer.bias.empty() ? 0 : layer.bias[o];
        for (int ky = 0; ky < k; ++ky)
          for (int kx = 0; kx < k; ++kx) {
            const int y = i * s + ky - pad, c = j * s + kx - pad;
            if (y < 0 || y >= x.height || c < 0 || c >= x.width) continue;
            if (layer.depthwise) {
              sum += int64_t{layer.weight[(o * k + ky) * k + kx]} * x.at(y, c)[o];
              continue;
            }
            for (int n = 0; n < x.channels; ++n)
              sum +=
                  int64_t{layer.weight[((o * k + ky) * k + kx) * x.channels + n]} * x.at(y, c)[n];
          }
        out.at(i, j)[o] = sum;
      }
  return out;
}

// Section 2 in 128 bits and with division instead of shifts.
inline int16_t reference_requantize(int32_t acc, int32_t multiplier, int32_t shift, int leaky,
                                    int lo, int hi) {
  const auto floor_divide = [](__int128 a, __int128 b) {
    return a >= 0 ? a / b : -((-a + b - 1) / b);
  };
  const __int128 unit = __int128{1} << shift;
  __int128 v = floor_divide(__int128{acc} * multiplier * 2 + unit, unit * 2);
  if (leaky >= 0) {
    const __int128 reduced = floor_divide(v, __int128{1} << leaky);
    if (reduced > v) v = reduced;
  }
  if (v < lo) v = lo;
  if (v > hi) v = hi;
  return static_cast<int16_t>(v);
}

// Wraps modulo 2^32, as accumulators do.
inline int32_t wrap(int64_t sum) {
  return static_cast<int32_t>(static_cast<uint32_t>(sum));
}

// A value of a range; often one of its ends.
inline int64_t extreme_or_random(Random& random, int64_t lo, int64_t hi) {
  const int64_t kind = random.between(0, 5);
  return kind == 0 ? lo : kind == 1 ? hi : random.between(lo, hi);
}

inline samebits::ConvLayer random_layer(Random& random, int in_channels, int out_channels,
                                        bool depthwise, int weight_limit) {
  samebits::ConvLayer layer;
  layer.in_channels = in_channels;
  layer.out_channels = depthwise ? in_channels : out_channels;
  layer.kernel = random.one_in(2) ? 3 : 1;
  layer.stride = random.one_in(3) ? 2 : 1;
  layer.depthwise = depthwise;
  const size_t inputs = depthwise ? 1 : in_channels;
  layer.weight.resize(layer.out_channels * layer.kernel * layer.kernel * inputs);
  for (int16_t& w : layer.weight)
    w = static_cast<int16_t>(extreme_or_random(random, -weight_limit, weight_limit - 1));
  for (int o = 0; o < layer.out_channels; ++o) {
    layer.bias.push_back(static_cast<int32_t>(random.between(INT32_MIN, INT32_MAX) >> 4));
    layer.multiplier.push_back(static_cast<int32_t>(extreme_or_random(random, 0, 65535)));
    layer.shift.push_back(static_cast<int32_t>(extreme_or_random(random, 1, 46)));
  }
  layer.leaky = static_cast<int>(random.between(-1, 15));
  layer.lo = static_cast<int>(extreme_or_random(random, -32768, 0));
  layer.hi = static_cast<int>(extreme_or_random(random, 0, 32767));
  layer.prepare();
  return layer;
}

inline samebits::Tensor<int16_t> random_tensor(Random& random, int height, int width, int channels,
                                               int lo = -32768, int hi = 32767) {
  samebits::Tensor<int16_t> x(height, width, channels);
  for (int16_t& v : x.data) v = static_cast<int16_t>(extreme_or_random(random, lo, hi));
  return x;
}
