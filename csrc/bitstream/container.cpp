#include "bitstream/container.h"

#include <algorithm>
#include <bitset>
#include <string>

#include "base/crc32.h"
#include "base/error.h"
#include "bitstream/series.h"

namespace samebits {
namespace {

constexpr size_t kChecksumBytes = 4;
constexpr uint32_t kMaxChunks = 16;
constexpr uint8_t kFirstIgnorableType = 128;

bool known_type(uint8_t type) {
  return type >= kIccProfile && type <= kAlpha;
}

// bitstream.md 1: the magic and the version decide what the rest means, so they come before the
// checksum. Anything that does not even begin like a stream is said to be none.
void check_beginning(std::span<const uint8_t> stream) {
  if (stream.empty()) fail(ErrorKind::truncated, "the stream is empty");
  if (std::ranges::equal(stream.first(std::min(stream.size(), std::size(kSeriesMagic))),
                         kSeriesMagic)) {
    fail(ErrorKind::corrupt_stream,
         "this is a series of pictures, not one; decode it as a series (decode_series)");
  }
  ByteReader reader(stream);
  for (uint8_t expected : kMagic) {
    if (reader.u8("magic") != expected) {
      fail(ErrorKind::corrupt_stream, "not a Samebits stream: it does not begin with F5 53");
    }
  }
  const int version = reader.u8("version_flags") & 15;
  if (version != kFormatVersion) {
    fail(ErrorKind::unsupported_version,
         "the stream has format version " + std::to_string(version) + ", this decoder reads " +
             std::to_string(kFormatVersion) + "; a newer Samebits may decode it");
  }
}

std::vector<Chunk> read_chunks(ByteReader& reader) {
  const size_t start = reader.position();
  const uint32_t count = reader.varint("chunk_count");
  if (count < 1 || count > kMaxChunks) {
    fail(ErrorKind::corrupt_stream, "chunk_count is " + std::to_string(count) +
                                        ", must be 1 to 16 (byte " + std::to_string(start) + ")");
  }
  std::vector<Chunk> chunks;
  std::bitset<256> seen;
  for (uint32_t i = 0; i < count; ++i) {
    const size_t position = reader.position();
    const uint8_t type = reader.u8("a chunk type");
    const std::string where =
        "chunk type " + std::to_string(type) + " (byte " + std::to_string(position) + ")";
    if (!known_type(type) && type < kFirstIgnorableType) {
      fail(ErrorKind::unsupported_version, where + " is reserved; a newer Samebits may know it");
    }
    if (seen[type]) fail(ErrorKind::corrupt_stream, where + " comes twice");
    seen[type] = true;
    const uint32_t length = reader.varint("a chunk length");
    std::span<const uint8_t> bytes = reader.take(length, "a chunk");
    chunks.push_back({type, std::vector<uint8_t>(bytes.begin(), bytes.end())});
  }
  return chunks;
}

void write_chunks(ByteWriter& writer, const std::vector<Chunk>& chunks) {
  if (chunks.size() > kMaxChunks) {
    fail(ErrorKind::invalid_argument,
         std::to_string(chunks.size()) + " chunks, a stream has room for 16");
  }
  writer.varint(static_cast<uint32_t>(chunks.size()));
  std::bitset<256> seen;
  for (const Chunk& chunk : chunks) {
    if (!known_type(chunk.type) && chunk.type < kFirstIgnorableType) {
      fail(ErrorKind::invalid_argument,
           "chunk type " + std::to_string(chunk.type) + " is reserved: use 1 to 4, or 128 to 255");
    }
    if (seen[chunk.type]) {
      fail(ErrorKind::invalid_argument,
           "chunk type " + std::to_string(chunk.type) + " comes twice, a stream has it once");
    }
    seen[chunk.type] = true;
    if (chunk.bytes.size() > UINT32_MAX) {
      fail(ErrorKind::invalid_argument, "a chunk has at most 2^32 - 1 bytes");
    }
    writer.u8(chunk.type);
    writer.varint(static_cast<uint32_t>(chunk.bytes.size()));
    writer.append(chunk.bytes);
  }
}

ParsedStream read_body(std::span<const uint8_t> body) {
  ByteReader reader(body);
  ParsedStream parsed;
  parsed.header = read_header(reader);
  parsed.header_bytes = reader.position();
  if (parsed.header.has_chunks) parsed.chunks = read_chunks(reader);
  parsed.payload = reader.take(reader.remaining(), "payload");
  return parsed;
}

// The checksum is wrong. If the fields already run past the end of the bytes, the stream is cut,
// and saying so helps more than "damaged"; whatever else the fields say means nothing now.
[[noreturn]] void fail_checksum(std::span<const uint8_t> body) {
  try {
    read_body(body);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::truncated) throw;
  }
  fail(ErrorKind::corrupt_stream,
       "the checksum at the end of the stream does not fit its " +
           std::to_string(body.size() + kChecksumBytes) +
           " bytes: the file is damaged or cut, or has bytes after its end; get it again");
}

}  // namespace

ParsedStream parse_stream(std::span<const uint8_t> stream) {
  check_beginning(stream);
  if (stream.size() < kChecksumBytes) {
    fail(ErrorKind::truncated, "the stream ends before its checksum; is the file cut?");
  }
  std::span<const uint8_t> body = stream.first(stream.size() - kChecksumBytes);
  ByteReader checksum(stream.last(kChecksumBytes), body.size());
  if (checksum.u32("file_crc") != crc32(body)) fail_checksum(body);
  return read_body(body);
}

std::vector<uint8_t> write_stream(const Header& header, const std::vector<Chunk>& chunks,
                                  std::span<const uint8_t> payload) {
  Header full = header;
  full.has_chunks = !chunks.empty();
  ByteWriter writer;
  write_header(writer, full);
  if (full.has_chunks) write_chunks(writer, chunks);
  writer.append(payload);
  writer.u32(crc32(writer.bytes()));
  return writer.take();
}

}  // namespace samebits
