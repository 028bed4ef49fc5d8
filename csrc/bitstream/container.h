// A whole stream: header, chunks, payload, checksum. bitstream.md 1 and 3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bitstream/header.h"

namespace samebits {

enum ChunkType : uint8_t { kIccProfile = 1, kExif = 2, kXmp = 3, kAlpha = 4 };

struct Chunk {
  uint8_t type = 0;
  std::vector<uint8_t> bytes;
};

struct ParsedStream {
  Header header;
  std::vector<Chunk> chunks;
  std::span<const uint8_t> payload;  // points into the bytes given to parse_stream
  size_t header_bytes = 0;           // everything before the first chunk or the payload
};

// Checks the magic, the version, the file's checksum and every field, in this order. Takes no more
// memory than the stream itself has bytes, whatever the header claims.
ParsedStream parse_stream(std::span<const uint8_t> stream);

// header.has_chunks is set from `chunks`. Throws Error(invalid_argument) for what cannot be read
// back.
std::vector<uint8_t> write_stream(const Header& header, const std::vector<Chunk>& chunks,
                                  std::span<const uint8_t> payload);

}  // namespace samebits
