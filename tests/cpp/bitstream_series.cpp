// Series files: what is written is read back however the bytes are cut, and everything else is
// refused by its name.
#include <algorithm>
#include <string>
#include <vector>

#include "base/crc32.h"
#include "bitstream/container.h"
#include "bitstream/series.h"
#include "check.h"

namespace {

using namespace samebits;
using Bytes = std::vector<uint8_t>;

constexpr int64_t kMaxBytes = 1 << 20;

Bytes picture(bool time, uint32_t width = 32, uint8_t model = 1, size_t payload = 5) {
  Header header;
  header.model_id = {model, 0xB2, 0xC3};
  header.width = width;
  header.height = 16;
  header.time = time;
  return write_stream(header, {}, Bytes(payload, 7));
}

// Three pictures, the last one with a length of two bytes.
std::vector<Bytes> example_pictures() {
  return {picture(false), picture(true), picture(true, 32, 1, 300)};
}

Bytes file_of(const std::vector<Bytes>& pictures) {
  SeriesWriter writer;
  Bytes file;
  const auto append = [&](const Bytes& part) { file.insert(file.end(), part.begin(), part.end()); };
  for (const Bytes& stream : pictures) append(writer.add(stream));
  append(writer.end());
  return file;
}

// Everything a reader gives, the file handed over in pieces of `step` bytes.
std::vector<SeriesPicture> read(const Bytes& file, size_t step, int64_t max_bytes = kMaxBytes) {
  SeriesReader reader(max_bytes);
  std::vector<SeriesPicture> pictures;
  for (size_t begin = 0; begin < file.size(); begin += step) {
    reader.append(std::span(file).subspan(begin, std::min(step, file.size() - begin)));
    while (auto picture = reader.next()) pictures.push_back(*picture);
  }
  reader.finish();
  return pictures;
}

// The checksum at the end made right.
Bytes repaired(Bytes file) {
  const uint32_t crc = crc32(std::span(file).first(file.size() - 4));
  for (size_t i = 0; i < 4; ++i) file[file.size() - 4 + i] = static_cast<uint8_t>(crc >> (8 * i));
  return file;
}

void test_layout() {
  const Bytes one = picture(false);
  Bytes expected = {0xF5, 0x54, 0, static_cast<uint8_t>(one.size())};
  expected.insert(expected.end(), one.begin(), one.end());
  expected.insert(expected.end(), {0, 0, 0, 0, 0});
  CHECK(file_of({one}) == repaired(expected));
  CHECK((one[2] & 0x40) == 0);
  CHECK((picture(true)[2] & 0x40) != 0);
}

void test_round_trip() {
  const std::vector<Bytes> streams = example_pictures();
  const Bytes file = file_of(streams);
  for (size_t step : {size_t{1}, size_t{3}, size_t{64}, file.size()}) {
    const std::vector<SeriesPicture> found = read(file, step);
    CHECK(found.size() == streams.size());
    for (size_t n = 0; n < found.size(); ++n) {
      CHECK(found[n].stream == streams[n]);
      CHECK(found[n].is_key == (n == 0));
    }
  }
}

void test_cut_files() {
  const Bytes file = file_of(example_pictures());
  for (size_t size = 0; size < file.size(); ++size) {
    const Bytes cut(file.begin(), file.begin() + static_cast<ptrdiff_t>(size));
    CHECK_FAILS(truncated, "is the file cut?", read(cut, 7));
  }
}

void test_damaged_files() {
  const Bytes file = file_of(example_pictures());
  Bytes damaged = file;
  damaged[0] = 'G';
  CHECK_FAILS(corrupt_stream, "does not begin with F5 54", read(damaged, 1));
  CHECK_FAILS(corrupt_stream, "does not begin with F5 54", read(example_pictures()[0], 9));
  damaged = file;
  damaged[2] = 1;
  CHECK_FAILS(unsupported_version, "version 1", read(damaged, 1));
  damaged = file;
  damaged[20] ^= 1;
  CHECK_FAILS(corrupt_stream, "checksum at the end of the series", read(damaged, 50));
  damaged = file;
  damaged.push_back(0);
  CHECK_FAILS(corrupt_stream, "bytes after its end", read(damaged, 50));
  CHECK_FAILS(corrupt_stream, "no pictures", read({0xF5, 0x54, 0, 0, 1, 2, 3, 4}, 50));
  CHECK_FAILS(corrupt_stream, "not a valid varint", read({0xF5, 0x54, 0, 0x80, 0}, 50));
  CHECK_FAILS(corrupt_stream, "not a valid varint",
              read({0xF5, 0x54, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, 50));
  // A claim of 4 GB takes no memory: the length is refused, or waited for.
  const Bytes claim = {0xF5, 0x54, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F};
  CHECK_FAILS(limit_exceeded, "4294967295 bytes", read(claim, 50));
  CHECK_FAILS(truncated, "picture 0", read(claim, 50, int64_t{1} << 40));
}

void test_what_a_writer_refuses() {
  CHECK_FAILS(invalid_argument, "begins with a key picture", SeriesWriter().add(picture(true)));
  CHECK_FAILS(invalid_argument, "at least one picture", SeriesWriter().end());
  CHECK_FAILS(truncated, "empty", SeriesWriter().add({}));
  SeriesWriter writer;
  writer.add(picture(false));
  CHECK_FAILS(invalid_argument, "the same size", writer.add(picture(true, 33)));
  CHECK_FAILS(invalid_argument, "one model", writer.add(picture(false, 32, 2)));
  writer.add(picture(false, 33));
  writer.add(picture(true, 33));
}

}  // namespace

int main() {
  test_layout();
  test_round_trip();
  test_cut_files();
  test_damaged_files();
  test_what_a_writer_refuses();
}
