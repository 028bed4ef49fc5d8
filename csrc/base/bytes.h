// Reading and writing little-endian bytes. A reader knows its end; every error names the byte.
// All loads go through single bytes, so big-endian machines give the same answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace samebits {

class ByteReader {
 public:
  // `origin` is the position of bytes[0] in the whole stream; it only shows up in error messages.
  explicit ByteReader(std::span<const uint8_t> bytes, size_t origin = 0)
      : bytes_(bytes), origin_(origin) {}

  // Each throws Error(truncated) when the bytes end inside of `what`.
  uint8_t u8(const char* what = "a byte");
  uint16_t u16(const char* what = "a 16-bit number");
  uint32_t u32(const char* what = "a 32-bit number");
  // LEB128 of at most 5 bytes and 32 bits; superfluous bytes are Error(corrupt_stream).
  uint32_t varint(const char* what = "a varint");
  std::span<const uint8_t> take(size_t count, const char* what = "bytes");

  size_t position() const { return origin_ + next_; }
  size_t remaining() const { return bytes_.size() - next_; }

 private:
  void need(size_t count, const char* what) const;

  std::span<const uint8_t> bytes_;
  size_t origin_;
  size_t next_ = 0;
};

class ByteWriter {
 public:
  void u8(uint8_t value) { bytes_.push_back(value); }
  void u16(uint16_t value);
  void u32(uint32_t value);
  void varint(uint32_t value);
  void append(std::span<const uint8_t> bytes);

  size_t size() const { return bytes_.size(); }
  const std::vector<uint8_t>& bytes() const { return bytes_; }
  std::vector<uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace samebits
