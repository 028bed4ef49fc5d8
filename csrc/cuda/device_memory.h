// Memory of the device, and how failures of CUDA travel inside of the module.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace samebits {

// Thrown inside of the module only; its C functions turn it into a CudaResult.
struct CudaFailure {
  cudaError_t error;
};

inline void require(cudaError_t error) {
  if (error != cudaSuccess) throw CudaFailure{error};
}

// A piece of device memory with its owner.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(size_t bytes) : bytes_(bytes) {
    if (bytes > 0) require(cudaMalloc(&data_, bytes));
  }
  DeviceBuffer(DeviceBuffer&& other) noexcept { swap(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~DeviceBuffer() { cudaFree(data_); }

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  void* release() { return std::exchange(data_, nullptr); }

 private:
  void swap(DeviceBuffer& other) {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }

  void* data_ = nullptr;
  size_t bytes_ = 0;
};

template <class T>
DeviceBuffer uploaded(const T* values, size_t count) {
  DeviceBuffer buffer(count * sizeof(T));
  if (count > 0)
    require(cudaMemcpy(buffer.data(), values, count * sizeof(T), cudaMemcpyHostToDevice));
  return buffer;
}

template <class T>
DeviceBuffer uploaded(const std::vector<T>& values) {
  return uploaded(values.data(), values.size());
}

// Parts of one large piece of memory, given and taken back while work is planned. Without memory it
// only counts, so that the same walk first finds the size and then uses it. What is given back may
// be given again at once: work on one stream runs in the order of the walk.
class Arena {
 public:
  // `memory` is null for counting.
  explicit Arena(void* memory) : memory_(static_cast<unsigned char*>(memory)) {}

  bool counting() const { return memory_ == nullptr; }
  size_t bytes() const { return most_; }

  template <class T>
  T* allocate(int64_t count) {
    return reinterpret_cast<T*>(memory_ + allocate_bytes(static_cast<size_t>(count) * sizeof(T)));
  }

  // What allocate() gave.
  void release(const void* part) {
    const size_t begin = static_cast<size_t>(static_cast<const unsigned char*>(part) - memory_);
    used_.erase(std::find_if(used_.begin(), used_.end(),
                             [&](const Part& used) { return used.begin == begin; }));
  }

 private:
  static constexpr size_t kAlignment = 256;
  struct Part {
    size_t begin, end;
  };

  // The first gap that is large enough; `used_` is in order.
  size_t allocate_bytes(size_t bytes) {
    bytes = std::max((bytes + kAlignment - 1) / kAlignment * kAlignment, kAlignment);
    size_t begin = 0, place = 0;
    for (; place < used_.size(); ++place) {
      if (used_[place].begin - begin >= bytes) break;
      begin = used_[place].end;
    }
    used_.insert(used_.begin() + static_cast<std::ptrdiff_t>(place), {begin, begin + bytes});
    most_ = std::max(most_, begin + bytes);
    return begin;
  }

  unsigned char* memory_;
  size_t most_ = 0;
  std::vector<Part> used_;
};

}  // namespace samebits
