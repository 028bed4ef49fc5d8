// The Gaussian of SSIMULACRA 2 over a plane whose ends are reflected. For the kernels of S alone.
#pragma once

#include "training/ssimulacra2_kernel.h"
#include "training/ssimulacra2_vectors.h"

namespace samebits {
namespace {

constexpr int kRadius = 5;
constexpr int kTaps = 2 * kRadius + 1;
// exp(-(i / 1.5)^2 / 2), and both sides sum to 1.
constexpr float kTap[kRadius + 1] = {0.2660117249f,  0.2130055377f,   0.1093606895f,
                                     0.03600077213f, 0.007598758135f, 0.001028380084f};

inline int reflected(int position, int size) {
  const int p = position < 0 ? -position : position;
  return p < size ? p : 2 * (size - 1) - p;
}

inline void blur_row(const float* from, int width, int stride, float* line, float* to) {
  __builtin_memcpy(line + kRadius, from, static_cast<size_t>(width) * sizeof(float));
  for (int i = 1; i <= kRadius; ++i) {
    line[kRadius - i] = from[i];
    line[kRadius + width - 1 + i] = from[width - 1 - i];
  }
  for (int x = 0; x < stride; x += kLanes) {
    const float* const middle = line + kRadius + x;
    Floats sum = kTap[0] * load(middle);
    for (int i = 1; i <= kRadius; ++i) sum += kTap[i] * (load(middle - i) + load(middle + i));
    store(to + x, sum);
  }
}

inline void blur_columns(const float* const* row, int stride, float* to) {
  for (int x = 0; x < stride; x += kLanes) {
    Floats sum = kTap[0] * load(row[kRadius] + x);
    for (int i = 1; i <= kRadius; ++i)
      sum += kTap[i] * (load(row[kRadius - i] + x) + load(row[kRadius + i] + x));
    store(to + x, sum);
  }
}

// In place. Reflection never passes both ends: sides are larger than the radius.
//
// The matrix of this blur is a symmetric one whose first and last columns are halved. So its
// adjoint is the blur of a plane with its border rows and columns doubled, and halved thereafter.
inline void blur(const Ssimulacra2Scale& scale, float* plane, float* rows) {
  const int stride = scale.stride, row_floats = stride + kPlaneFloats;
  float* const line = rows + kTaps * row_floats;
  int done = 0;
  for (int y = 0; y < scale.height; ++y) {
    for (; done < scale.height && done <= y + kRadius; ++done) {
      blur_row(plane + done * static_cast<ptrdiff_t>(stride), scale.width, stride, line,
               rows + done % kTaps * row_floats);
    }
    const float* row[kTaps];
    for (int i = 0; i < kTaps; ++i)
      row[i] = rows + reflected(y + i - kRadius, scale.height) % kTaps * row_floats;
    blur_columns(row, stride, plane + y * static_cast<ptrdiff_t>(stride));
  }
}

}  // namespace
}  // namespace samebits
