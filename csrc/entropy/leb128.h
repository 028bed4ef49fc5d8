// LEB128 numbers of up to 35 bits (arithmetic.md 5): escapes need 33, one more than a varint of
// bitstream.md holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace samebits {

inline constexpr uint64_t kLeb128Limit = uint64_t{1} << 35;

// The number that stands for a symbol outside of a row (arithmetic.md 5, escapes).
constexpr uint64_t escape_value(int32_t min_symbol, uint32_t escape_entry, int32_t symbol) {
  const int64_t above = int64_t{symbol} - min_symbol - escape_entry;
  const int64_t below = int64_t{min_symbol} - 1 - symbol;
  return static_cast<uint64_t>(above >= 0 ? 2 * above : 2 * below + 1);
}

// value < kLeb128Limit.
void append_leb128(std::vector<uint8_t>& bytes, uint64_t value);

class Leb128Reader {
 public:
  Leb128Reader() = default;
  explicit Leb128Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  // Throws Error(truncated) when the bytes end inside of `what`, Error(corrupt_stream) for a sixth
  // byte or a superfluous one.
  uint64_t read(const char* what);

  size_t position() const { return next_; }
  size_t remaining() const { return bytes_.size() - next_; }

 private:
  std::span<const uint8_t> bytes_;
  size_t next_ = 0;
};

}  // namespace samebits
