// Device memory of the tests, and activations with their rows padded as the kernels want them.
#pragma once

#include <cuda_runtime.h>

#include <vector>

#include "check.h"
#include "cuda/dense_conv.h"
#include "nn/conv.h"
#include "nn/tensor.h"

template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : count_(count) {
    void* memory = nullptr;
    CHECK(cudaMalloc(&memory, count * sizeof(T)) == cudaSuccess);
    data_ = static_cast<T*>(memory);
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    CHECK(cudaMemcpy(data_, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice) ==
          cudaSuccess);
  }
  DeviceArray(const DeviceArray&) = delete;
  ~DeviceArray() { cudaFree(data_); }

  T* data() const { return data_; }
  std::vector<T> values() const {
    std::vector<T> values(count_);
    CHECK(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost) ==
          cudaSuccess);
    return values;
  }

 private:
  size_t count_;
  T* data_ = nullptr;
};

inline int pitch_of(int channels) {
  return samebits::round_up(channels, samebits::kPitchUnit);
}

// Rows padded with noise, which no kernel may let through.
inline std::vector<int16_t> padded(const samebits::Tensor<int16_t>& x, Random& random) {
  const int pitch = pitch_of(x.channels);
  std::vector<int16_t> values(static_cast<size_t>(x.height) * x.width * pitch);
  for (size_t n = 0; n < values.size(); ++n) {
    const size_t c = n % pitch;
    values[n] = c < static_cast<size_t>(x.channels) ? x.data[n / pitch * x.channels + c]
                                                    : static_cast<int16_t>(random.bits32());
  }
  return values;
}

inline std::vector<int16_t> without_padding(const std::vector<int16_t>& values, int channels) {
  const int pitch = pitch_of(channels);
  std::vector<int16_t> dense;
  for (size_t n = 0; n < values.size(); ++n)
    if (static_cast<int>(n % pitch) < channels) dense.push_back(values[n]);
  return dense;
}
