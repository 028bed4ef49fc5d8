// CRC-32 of IEEE 802.3, the one of zlib and PNG.
#pragma once

#include <cstdint>
#include <span>

namespace samebits {

// Bit-reversed, as the bytes come least bit first.
inline constexpr uint32_t kCrc32Polynomial = 0xEDB88320;

// `crc` is the result for the bytes before these, so that long data can come in pieces.
uint32_t crc32(std::span<const uint8_t> bytes, uint32_t crc = 0);

}  // namespace samebits
