// Scratch memory of a pass, cut in order. Cutting from null gives the size.
#pragma once

#include <cstddef>
#include <cstdint>

namespace samebits::training {

// `Owner` keeps each instruction set's functions apart, see kernels.h.
template <class Owner>
class Cutter {
 public:
  explicit Cutter(std::byte* begin) : begin_(begin) {}

  template <class T>
  T* take(int64_t count) {
    T* part = begin_ == nullptr ? nullptr : reinterpret_cast<T*>(begin_ + size_);
    size_ += (count * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64;
    return part;
  }

  int64_t size() const { return size_; }

 private:
  std::byte* begin_;
  int64_t size_ = 0;
};

}  // namespace samebits::training
