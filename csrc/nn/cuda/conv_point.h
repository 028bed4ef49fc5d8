// One output value of a convolution (arithmetic.md 2), written once for the GPU and for the test
// that runs it on the CPU. Weights are transposed to [k][k][I][O], so that neighboring threads,
// which work on neighboring output channels, read neighboring memory.
#pragma once

#include <cstdint>

#include "nn/cuda/cuda_conv.h"

#ifdef __CUDACC__
#define SAMEBITS_HOST_DEVICE __host__ __device__
#else
#define SAMEBITS_HOST_DEVICE
#endif

namespace samebits {

// Where weight n of the original order goes.
SAMEBITS_HOST_DEVICE inline int64_t transposed_place(const CudaConv& conv, int64_t n) {
  const int64_t inputs = conv.depthwise ? 1 : conv.in_channels;
  const int64_t per_output = inputs * conv.kernel * conv.kernel;
  return n % per_output * conv.out_channels + n / per_output;
}

// Modulo 2^32. y counts from the picture's first output row.
SAMEBITS_HOST_DEVICE inline int32_t sum_point(const CudaConv& conv, int y, int x, int o) {
  const int pad = (conv.kernel - 1) / 2;
  const int inputs = conv.depthwise ? 1 : conv.in_channels;
  uint32_t sum = conv.bias ? static_cast<uint32_t>(conv.bias[o]) : 0;
  for (int ky = 0; ky < conv.kernel; ++ky) {
    const int row = y * conv.stride + ky - pad;
    if (row < 0 || row >= conv.height) continue;
    for (int kx = 0; kx < conv.kernel; ++kx) {
      const int column = x * conv.stride + kx - pad;
      if (column < 0 || column >= conv.width) continue;
      const int64_t pixel = int64_t{row - conv.first_row} * conv.width + column;
      const int16_t* in = conv.x + pixel * conv.in_channels + (conv.depthwise ? o : 0);
      const int64_t tap = int64_t{ky} * conv.kernel + kx;
      const int16_t* w = conv.weight + tap * inputs * conv.out_channels + o;
      for (int i = 0; i < inputs; ++i)
        sum += static_cast<uint32_t>(int32_t{w[int64_t{i} * conv.out_channels]} * int32_t{in[i]});
    }
  }
  return static_cast<int32_t>(sum);
}

SAMEBITS_HOST_DEVICE inline int16_t requantize_point(const CudaConv& conv, int32_t sum, int o) {
  const int shift = conv.shift[o];
  int64_t v = (int64_t{sum} * conv.multiplier[o] + (int64_t{1} << (shift - 1))) >> shift;
  if (conv.leaky >= 0 && v < 0) v >>= conv.leaky;
  return static_cast<int16_t>(v < conv.lo ? conv.lo : v > conv.hi ? conv.hi : v);
}

}  // namespace samebits
