// A dense picture-like array, [height][width][channels], channel fastest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace samebits {

template <class T>
struct Tensor {
  int height = 0;
  int width = 0;
  int channels = 0;
  std::vector<T> data;

  Tensor() = default;
  Tensor(int height, int width, int channels)
      : height(height),
        width(width),
        channels(channels),
        data(static_cast<size_t>(height) * static_cast<size_t>(width) *
             static_cast<size_t>(channels)) {}

  T* at(int y, int x) { return data.data() + (static_cast<size_t>(y) * width + x) * channels; }
  const T* at(int y, int x) const {
    return data.data() + (static_cast<size_t>(y) * width + x) * channels;
  }
};

}  // namespace samebits
