// What the core and the CUDA module (_cuda.so) exchange: a plain struct and C functions, so that
// the module can be opened at run time. All pointers are to host memory.
#pragma once

#include <cstdint>

namespace samebits {

inline constexpr int kCudaInterface = 1;  // raised with every change of this file

struct CudaConv {
  int32_t in_channels, out_channels, kernel, stride, depthwise;
  const int16_t* weight;  // [O][k][k][I], depthwise [C][k][k][1]
  const int32_t* bias;    // [O] or null
  // Rows [first_row, first_row + rows) of a picture of height x width.
  const int16_t* x;
  int32_t first_row, rows, height, width;
  // Output rows [begin, end): either sums or activations, the other one is null.
  int32_t begin, end;
  int32_t* sums;
  int16_t* activations;
  const int32_t* multiplier;  // null for sums
  const int32_t* shift;
  int32_t leaky, lo, hi;
};

extern "C" {
using CudaInterfaceFunction = int32_t (*)();
using CudaDeviceCountFunction = int32_t (*)();
// Null if all went well, otherwise what CUDA says.
using CudaConvFunction = const char* (*)(const CudaConv*);
}

}  // namespace samebits
