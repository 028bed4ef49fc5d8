// The depthwise convolution of a chunk, one vector of channels at a time: the rows that it reads
// are first unrolled into a window with their zero padding, so that no step looks at borders.
#pragma once

#include <cstdint>

#include "training/kernels.h"

namespace samebits::training {

// Elements of a window of `rows` rows.
template <class Math>
int64_t window_size(int rows, const BlockShape& map) {
  return int64_t{rows + map.kernel - 1} * (map.width + map.kernel - 1) * Math::kLanes;
}

template <class Math>
float* fill_zeros(float* window, int pixels) {
  for (int i = 0; i < pixels; ++i, window += Math::kLanes) Math::store(window, Math::zero());
  return window;
}

// Rows row - kernel / 2 ... of an image whose first pixel's channels are at `image`.
template <class Math>
void fill_window(const typename Math::Element* image, int row, int rows, const BlockShape& map,
                 float* window) {
  const int border = map.kernel / 2;
  for (int y = row - border; y < row + rows + border; ++y) {
    if (y < 0 || y >= map.height) {
      window = fill_zeros<Math>(window, map.width + 2 * border);
      continue;
    }
    window = fill_zeros<Math>(window, border);
    const auto* from = image + int64_t{y} * map.width * map.channels;
    for (int x = 0; x < map.width; ++x, from += map.channels, window += Math::kLanes)
      Math::store(window, Math::load_element(from));
    window = fill_zeros<Math>(window, border);
  }
}

// The window without its borders, [rows][width].
template <class Math>
void copy_center(const float* window, int rows, const BlockShape& map, float* to) {
  const int border = map.kernel / 2;
  const int64_t window_row = int64_t{map.width + map.kernel - 1} * Math::kLanes;
  window += border * (window_row + Math::kLanes);
  for (int y = 0; y < rows; ++y)
    for (int x = 0; x < map.width; ++x, to += Math::kLanes)
      Math::store(to, Math::load(window + y * window_row + x * Math::kLanes));
}

// sums [rows][width] of one vector each; taps [kernel * kernel] likewise.
template <class Math, int kKernel, int kPixels>
void convolve_pixels(const float* window, int64_t window_row, const typename Math::Vector* taps,
                     float* sums) {
  typename Math::Vector sum[kPixels];
#pragma GCC unroll 4
  for (int i = 0; i < kPixels; ++i) sum[i] = Math::zero();
#pragma GCC unroll 7
  for (int ky = 0; ky < kKernel; ++ky)
#pragma GCC unroll 10
    for (int x = 0; x < kPixels + kKernel - 1; ++x) {
      const typename Math::Vector in = Math::load(window + ky * window_row + x * Math::kLanes);
#pragma GCC unroll 4
      for (int i = 0; i < kPixels; ++i)
        if (x - i >= 0 && x - i < kKernel)
          sum[i] = Math::fma(in, taps[ky * kKernel + x - i], sum[i]);
    }
#pragma GCC unroll 4
  for (int i = 0; i < kPixels; ++i) Math::store(sums + i * Math::kLanes, sum[i]);
}

template <class Math, int kKernel>
void convolve_rows(const float* window, const float* taps, int rows, int width, float* sums) {
  typename Math::Vector tap[kKernel * kKernel];
  for (int i = 0; i < kKernel * kKernel; ++i) tap[i] = Math::load(taps + i * Math::kLanes);
  const int64_t window_row = int64_t{width + kKernel - 1} * Math::kLanes;
  for (int y = 0; y < rows; ++y) {
    const float* in = window + y * window_row;
    int x = 0;
    for (; x + 4 <= width; x += 4, sums += 4 * Math::kLanes)
      convolve_pixels<Math, kKernel, 4>(in + x * Math::kLanes, window_row, tap, sums);
    for (; x < width; ++x, sums += Math::kLanes)
      convolve_pixels<Math, kKernel, 1>(in + x * Math::kLanes, window_row, tap, sums);
  }
}

template <class Math>
void convolve_window(const float* window, const float* taps, int rows, const BlockShape& map,
                     float* sums) {
  if (map.kernel == 3) return convolve_rows<Math, 3>(window, taps, rows, map.width, sums);
  if (map.kernel == 5) return convolve_rows<Math, 5>(window, taps, rows, map.width, sums);
  convolve_rows<Math, 7>(window, taps, rows, map.width, sums);
}

// Adds to each tap the sum over pixels of input (at the tap) times gradient (at the pixel). Both
// are windows. Two sums for each tap, of even and odd columns, so that additions need not wait.
template <class Math, int kKernel>
void add_row_gradients(const float* input, const float* gradient, int rows, int width,
                       float* taps) {
  using Vector = typename Math::Vector;
  const int64_t window_row = int64_t{width + kKernel - 1} * Math::kLanes;
  gradient += (kKernel / 2) * (window_row + Math::kLanes);
  for (int ky = 0; ky < kKernel; ++ky) {
    Vector even[kKernel], odd[kKernel];
    for (int i = 0; i < kKernel; ++i) even[i] = odd[i] = Math::zero();
    for (int y = 0; y < rows; ++y) {
      const float* in = input + (y + ky) * window_row;
      const float* g = gradient + y * window_row;
      int x = 0;
      for (; x + 2 <= width; x += 2, in += 2 * Math::kLanes, g += 2 * Math::kLanes) {
        const Vector first = Math::load(g), second = Math::load(g + Math::kLanes);
#pragma GCC unroll 7
        for (int i = 0; i < kKernel; ++i) {
          even[i] = Math::fma(first, Math::load(in + i * Math::kLanes), even[i]);
          odd[i] = Math::fma(second, Math::load(in + (i + 1) * Math::kLanes), odd[i]);
        }
      }
      if (x < width)
        for (int i = 0; i < kKernel; ++i)
          even[i] = Math::fma(Math::load(g), Math::load(in + i * Math::kLanes), even[i]);
    }
    for (int i = 0; i < kKernel; ++i) {
      float* tap = taps + (ky * kKernel + i) * Math::kLanes;
      Math::store(tap, Math::add(Math::load(tap), Math::add(even[i], odd[i])));
    }
  }
}

template <class Math>
void add_tap_gradients(const float* input, const float* gradient, int rows, const BlockShape& map,
                       float* taps) {
  const int width = map.width;
  if (map.kernel == 3) return add_row_gradients<Math, 3>(input, gradient, rows, width, taps);
  if (map.kernel == 5) return add_row_gradients<Math, 5>(input, gradient, rows, width, taps);
  add_row_gradients<Math, 7>(input, gradient, rows, width, taps);
}

}  // namespace samebits::training
