#include "base/bytes.h"

#include <string>

#include "base/error.h"

namespace samebits {

void ByteReader::need(size_t count, const char* what) const {
  if (count <= remaining()) return;
  fail(ErrorKind::truncated, std::string("the stream ends inside ") + what + " (byte " +
                                 std::to_string(position()) + ": needs " + std::to_string(count) +
                                 ", has " + std::to_string(remaining()) + "); is the file cut?");
}

uint8_t ByteReader::u8(const char* what) {
  need(1, what);
  return bytes_[next_++];
}

uint16_t ByteReader::u16(const char* what) {
  std::span<const uint8_t> b = take(2, what);
  return static_cast<uint16_t>(b[0] | b[1] << 8);
}

uint32_t ByteReader::u32(const char* what) {
  std::span<const uint8_t> b = take(4, what);
  return b[0] | uint32_t{b[1]} << 8 | uint32_t{b[2]} << 16 | uint32_t{b[3]} << 24;
}

uint32_t ByteReader::varint(const char* what) {
  const size_t start = position();
  uint32_t value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    const uint8_t byte = u8(what);
    const bool fits = shift < 28 || byte < 16;  // the fifth byte has room for 4 bits and no more
    if (!fits) break;
    value |= uint32_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) {
      if (byte == 0 && shift > 0) break;  // one number, one spelling
      return value;
    }
  }
  fail(ErrorKind::corrupt_stream, std::string(what) + " is not a valid varint (byte " +
                                      std::to_string(start) +
                                      "): longer than its value needs or above 32 bits");
}

std::span<const uint8_t> ByteReader::take(size_t count, const char* what) {
  need(count, what);
  std::span<const uint8_t> taken = bytes_.subspan(next_, count);
  next_ += count;
  return taken;
}

void ByteWriter::u16(uint16_t value) {
  u8(static_cast<uint8_t>(value));
  u8(static_cast<uint8_t>(value >> 8));
}

void ByteWriter::u32(uint32_t value) {
  u16(static_cast<uint16_t>(value));
  u16(static_cast<uint16_t>(value >> 16));
}

void ByteWriter::varint(uint32_t value) {
  for (; value >= 0x80; value >>= 7) u8(static_cast<uint8_t>(value | 0x80));
  u8(static_cast<uint8_t>(value));
}

void ByteWriter::append(std::span<const uint8_t> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

}  // namespace samebits
