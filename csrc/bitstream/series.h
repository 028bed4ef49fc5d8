// A series of pictures as one file: bitstream.md 6. Read and written a piece at a time, so that
// neither side holds more than one picture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bitstream/header.h"

namespace samebits {

inline constexpr uint8_t kSeriesMagic[2] = {0xF5, 0x54};
inline constexpr int kSeriesVersion = 0;

struct SeriesPicture {
  std::vector<uint8_t> stream;  // a complete picture stream, not checked yet
  bool is_key = false;          // what its version_flags say: it needs no other picture
};

class SeriesReader {
 public:
  // A picture stream that claims to be longer is Error(limit_exceeded).
  explicit SeriesReader(int64_t max_picture_bytes) : max_picture_bytes_(max_picture_bytes) {}

  // The next bytes of the file, however it is cut into pieces.
  void append(std::span<const uint8_t> bytes);

  // The next picture, if all of it has arrived.
  std::optional<SeriesPicture> next();

  // Nothing will be appended any more: Error(truncated) if the end mark has not been read.
  void finish();

 private:
  bool read_beginning();
  void read_end();
  // Bytes that have arrived and are not read.
  std::span<const uint8_t> ahead() const { return std::span(buffer_).subspan(next_); }
  void advance(size_t count);

  int64_t max_picture_bytes_;
  std::vector<uint8_t> buffer_;
  size_t next_ = 0;        // of buffer_
  uint64_t position_ = 0;  // of the same byte in the file
  uint64_t pictures_ = 0;
  uint32_t crc_ = 0;
  bool begun_ = false;
  bool ended_ = false;
};

class SeriesWriter {
 public:
  // The bytes that a picture adds to the file. Error(invalid_argument) for a stream that no reader
  // would take at this place.
  std::vector<uint8_t> add(std::span<const uint8_t> stream);

  // The bytes that end the file.
  std::vector<uint8_t> end();

 private:
  void check_order(const Header& header) const;

  std::optional<Header> last_;
  uint32_t crc_ = 0;
};

}  // namespace samebits
