// What bindings share: bytes and arrays of Python as spans, pictures and chunks of the core, and
// back. Arrays are contiguous and typed; samebits.api checks what users pass.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "bitstream/container.h"
#include "codec/transforms.h"
#include "nn/tensor.h"

namespace samebits {

template <class T>
using Array = pybind11::array_t<T, pybind11::array::c_style>;
using PyChunk = std::pair<int, pybind11::bytes>;

inline std::span<const uint8_t> as_span(const pybind11::bytes& bytes) {
  const std::string_view view = bytes;
  return {reinterpret_cast<const uint8_t*>(view.data()), view.size()};
}

inline pybind11::bytes as_bytes(std::span<const uint8_t> span) {
  return pybind11::bytes(reinterpret_cast<const char*>(span.data()), span.size());
}

// An array that owns the vector: no copy.
template <class T>
Array<T> as_array(std::vector<T> values, const std::vector<pybind11::ssize_t>& shape) {
  auto* owned = new std::vector<T>(std::move(values));
  const pybind11::capsule owner(owned, [](void* p) { delete static_cast<std::vector<T>*>(p); });
  return Array<T>(shape, owned->data(), owner);
}

template <class T>
Array<T> as_array(Tensor<T> tensor) {
  return as_array(std::move(tensor.data), {tensor.height, tensor.width, tensor.channels});
}

// uint8 (H, W, 3), or (H, W) if it is grey.
inline Array<uint8_t> as_array(Picture picture) {
  std::vector<pybind11::ssize_t> shape{picture.height, picture.width};
  if (picture.channels == 3) shape.push_back(3);
  return as_array(std::move(picture.samples), shape);
}

inline PictureView view_of(const Array<uint8_t>& rgb) {
  if (rgb.ndim() != 3 || rgb.shape(2) != 3 || rgb.shape(0) > kMaxSide || rgb.shape(1) > kMaxSide) {
    fail(ErrorKind::invalid_argument,
         "the picture must be an array (H, W, 3) of at most 2^28 a side");
  }
  return {rgb.data(), static_cast<int>(rgb.shape(1)), static_cast<int>(rgb.shape(0))};
}

inline std::vector<Chunk> chunks_of(const std::vector<PyChunk>& chunks) {
  std::vector<Chunk> native;
  for (const auto& [type, bytes] : chunks) {
    if (type < 0 || type > 255) {
      fail(ErrorKind::invalid_argument, "chunk type " + std::to_string(type) + " is no byte");
    }
    const std::span<const uint8_t> span = as_span(bytes);
    native.push_back({static_cast<uint8_t>(type), {span.begin(), span.end()}});
  }
  return native;
}

}  // namespace samebits
