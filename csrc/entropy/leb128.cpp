#include "entropy/leb128.h"

#include <string>

#include "base/error.h"

namespace samebits {

void append_leb128(std::vector<uint8_t>& bytes, uint64_t value) {
  while (value >= 0x80) {
    bytes.push_back(static_cast<uint8_t>(value | 0x80));
    value >>= 7;
  }
  bytes.push_back(static_cast<uint8_t>(value));
}

uint64_t Leb128Reader::read(const char* what) {
  uint64_t value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    if (next_ == bytes_.size()) {
      fail(ErrorKind::truncated, std::string(what) + " ends after " + std::to_string(next_) +
                                     " bytes, inside of a number; is the stream cut?");
    }
    const uint8_t byte = bytes_[next_++];
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) {
      if (byte == 0 && shift > 0) {
        fail(ErrorKind::corrupt_stream,
             std::string(what) + ": superfluous zero byte at " + std::to_string(next_ - 1));
      }
      return value;
    }
  }
  fail(ErrorKind::corrupt_stream,
       std::string(what) + ": a number of more than 5 bytes ends at " + std::to_string(next_));
}

}  // namespace samebits
