// Reading and writing single bits, the most significant of a byte first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"

namespace samebits {

class BitWriter {
 public:
  // The lowest `count` bits of `value`, up to 32.
  void put(uint32_t value, int count) {
    for (int i = count - 1; i >= 0; --i) {
      if (used_ == 0) bytes_.push_back(0);
      bytes_.back() |= static_cast<uint8_t>((value >> i & 1) << (7 - used_));
      used_ = (used_ + 1) % 8;
    }
  }
  // `value` ones and a zero.
  void put_unary(uint32_t value) {
    for (uint32_t i = 0; i < value; ++i) put(1, 1);
    put(0, 1);
  }
  // Golomb's code for a divisor of 2^k (Rice).
  void put_golomb(uint32_t value, int k) {
    put_unary(value >> k);
    put(value, k);
  }
  size_t bits() const { return bytes_.size() * 8 - (used_ == 0 ? 0 : 8 - used_); }
  std::vector<uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<uint8_t> bytes_;
  int used_ = 0;  // bits of the last byte
};

class BitReader {
 public:
  explicit BitReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  // Error(truncated) if there are not so many left.
  uint32_t get(int count) {
    uint32_t value = 0;
    for (int i = 0; i < count; ++i) {
      if (next_ == bytes_.size() * 8) fail(ErrorKind::truncated, "the bits of a code end too soon");
      value = value << 1 | (bytes_[next_ / 8] >> (7 - next_ % 8) & 1);
      ++next_;
    }
    return value;
  }
  uint32_t get_unary() {
    uint32_t value = 0;
    while (get(1) != 0) ++value;
    return value;
  }
  // Error(corrupt_stream) if it is above `most`.
  uint32_t get_golomb(int k, uint32_t most) {
    const uint64_t high = get_unary();
    const uint64_t value = high << k | get(k);
    if (value > most) fail(ErrorKind::corrupt_stream, "a number of a code is too large");
    return static_cast<uint32_t>(value);
  }
  // Error(corrupt_stream) unless only zeros of the last byte are left.
  void finish() {
    if (bytes_.size() * 8 - next_ >= 8) fail(ErrorKind::corrupt_stream, "a code is too long");
    while (next_ < bytes_.size() * 8) {
      if (get(1) != 0) fail(ErrorKind::corrupt_stream, "a code does not end in zeros");
    }
  }

 private:
  std::span<const uint8_t> bytes_;
  size_t next_ = 0;
};

}  // namespace samebits
