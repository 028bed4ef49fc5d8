#include "bitstream/series.h"

#include <algorithm>
#include <string>

#include "base/bytes.h"
#include "base/crc32.h"
#include "base/error.h"
#include "bitstream/container.h"

namespace samebits {
namespace {

constexpr size_t kBeginningBytes = 3;  // magic and version
constexpr size_t kChecksumBytes = 4;
constexpr size_t kLongestVarint = 5;
constexpr size_t kFlagsByte = 2;  // of a picture stream, bitstream.md 1
constexpr uint8_t kTimeFlag = 1 << 6;

std::string at_byte(uint64_t position) {
  return " (byte " + std::to_string(position) + " of the series)";
}

// Bytes of the number that begins here; 0 if more have to arrive before that can be said.
size_t varint_bytes(std::span<const uint8_t> bytes) {
  const size_t most = std::min(bytes.size(), kLongestVarint);
  for (size_t i = 0; i < most; ++i)
    if (bytes[i] < 0x80) return i + 1;
  return most == kLongestVarint ? kLongestVarint : 0;
}

}  // namespace

void SeriesReader::append(std::span<const uint8_t> bytes) {
  // What has been read goes first, so that the buffer never holds more than a picture and a piece.
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(next_));
  next_ = 0;
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

void SeriesReader::advance(size_t count) {
  crc_ = crc32(ahead().first(count), crc_);
  next_ += count;
  position_ += count;
}

std::optional<SeriesPicture> SeriesReader::next() {
  if (!read_beginning()) return {};
  if (ended_) {
    if (ahead().empty()) return {};
    fail(ErrorKind::corrupt_stream, "the series has bytes after its end" + at_byte(position_));
  }
  const size_t head = varint_bytes(ahead());
  if (head == 0) return {};
  const uint32_t length =
      ByteReader(ahead().first(head), position_).varint("the length of a picture");
  if (length == 0) {
    if (ahead().size() >= head + kChecksumBytes) read_end();
    return ended_ ? next() : std::nullopt;
  }
  if (length > max_picture_bytes_) {
    fail(ErrorKind::limit_exceeded, "picture " + std::to_string(pictures_) + " of the series has " +
                                        std::to_string(length) + " bytes" + at_byte(position_) +
                                        ", allowed are " + std::to_string(max_picture_bytes_) +
                                        "; raise max_bytes if you trust it");
  }
  if (ahead().size() - head < length) return {};
  advance(head);
  const std::span<const uint8_t> stream = ahead().first(length);
  SeriesPicture picture{{stream.begin(), stream.end()}, true};
  picture.is_key = length <= kFlagsByte || (stream[kFlagsByte] & kTimeFlag) == 0;
  advance(length);
  ++pictures_;
  return picture;
}

// Magic and version; false if they have not arrived yet.
bool SeriesReader::read_beginning() {
  if (begun_) return true;
  const std::span<const uint8_t> bytes = ahead();
  const size_t magic = std::min(bytes.size(), std::size(kSeriesMagic));
  if (!std::equal(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(magic), kSeriesMagic)) {
    fail(ErrorKind::corrupt_stream,
         "not a series of Samebits: it does not begin with F5 54 (F5 53 is a single picture)");
  }
  if (bytes.size() < kBeginningBytes) return false;
  const int version = bytes[magic];
  if (version != kSeriesVersion) {
    fail(ErrorKind::unsupported_version,
         "the series has version " + std::to_string(version) + ", this decoder reads " +
             std::to_string(kSeriesVersion) + "; a newer Samebits may decode it");
  }
  advance(kBeginningBytes);
  begun_ = true;
  return true;
}

void SeriesReader::read_end() {
  if (pictures_ == 0) fail(ErrorKind::corrupt_stream, "the series has no pictures");
  advance(1);
  const uint32_t expected = crc_;
  if (ByteReader(ahead(), position_).u32("series_crc") != expected) {
    fail(ErrorKind::corrupt_stream,
         "the checksum at the end of the series does not fit its " + std::to_string(position_) +
             " bytes: the file is damaged, or pictures of it were changed; get it again");
  }
  advance(kChecksumBytes);
  ended_ = true;
}

void SeriesReader::finish() {
  if (ended_) return;
  fail(ErrorKind::truncated, "the series ends inside of picture " + std::to_string(pictures_) +
                                 " or before its end mark" + at_byte(position_) +
                                 "; is the file cut?");
}

std::vector<uint8_t> SeriesWriter::add(std::span<const uint8_t> stream) {
  if (stream.size() > UINT32_MAX) {
    fail(ErrorKind::invalid_argument, "a picture of a series has at most 2^32 - 1 bytes");
  }
  const Header header = parse_stream(stream).header;
  check_order(header);
  ByteWriter writer;
  if (!last_) {
    writer.append(kSeriesMagic);
    writer.u8(kSeriesVersion);
  }
  writer.varint(static_cast<uint32_t>(stream.size()));
  writer.append(stream);
  crc_ = crc32(writer.bytes(), crc_);
  last_ = header;
  return writer.take();
}

void SeriesWriter::check_order(const Header& header) const {
  if (last_ && header.model_id != last_->model_id) {
    fail(ErrorKind::invalid_argument, "the pictures of a series have one model");
  }
  if (!header.time) return;
  if (!last_) fail(ErrorKind::invalid_argument, "a series begins with a key picture");
  if (header.width != last_->width || header.height != last_->height) {
    fail(ErrorKind::invalid_argument,
         "a picture that needs the one before it has the same size; this one has " +
             std::to_string(header.width) + " x " + std::to_string(header.height) +
             ", the one before " + std::to_string(last_->width) + " x " +
             std::to_string(last_->height));
  }
}

std::vector<uint8_t> SeriesWriter::end() {
  if (!last_) fail(ErrorKind::invalid_argument, "a series has at least one picture");
  ByteWriter writer;
  writer.varint(0);
  crc_ = crc32(writer.bytes(), crc_);
  writer.u32(crc_);
  return writer.take();
}

}  // namespace samebits
