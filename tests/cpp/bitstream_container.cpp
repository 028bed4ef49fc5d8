// The container: what is written is read back, and whatever else is read is refused by its name.
#include <algorithm>
#include <string>
#include <vector>

#include "base/crc32.h"
#include "bitstream/container.h"
#include "check.h"

namespace {

using namespace samebits;
using Bytes = std::vector<uint8_t>;

Header example_header() {
  Header header;
  header.model_id = {0xA1, 0xB2, 0xC3};
  header.quality = 42;
  header.width = 768;
  header.height = 512;
  header.latent_crc = 0x11223344;
  return header;
}

const Bytes kPayload = {9, 8, 7, 6, 5};

// Puts the right checksum behind bytes whose old one is dropped.
Bytes with_checksum(Bytes bytes) {
  bytes.erase(bytes.end() - 4, bytes.end());
  const uint32_t crc = crc32(bytes);
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<uint8_t>(crc >> (8 * i)));
  return bytes;
}

Bytes changed(const Bytes& stream, size_t position, uint8_t value) {
  Bytes copy = stream;
  copy[position] = value;
  return with_checksum(copy);
}

void test_layout() {
  // bitstream.md 1, byte by byte.
  const Bytes expected = {0xF5, 0x53, 0x00, 0xA1, 0xB2, 0xC3, 42,   0x1A, 0xFF,
                          0x05, 0xFF, 0x03, 0x44, 0x33, 0x22, 0x11, 9,    8,
                          7,    6,    5,    0,    0,    0,    0};
  const Bytes stream = write_stream(example_header(), {}, kPayload);
  CHECK(stream == with_checksum(expected));
  CHECK(stream.size() - kPayload.size() == 20);

  const ParsedStream parsed = parse_stream(stream);
  CHECK(parsed.header_bytes == 16);
  CHECK(parsed.header.width == 768);
  CHECK(parsed.header.height == 512);
  CHECK(parsed.header.quality == 42);
  CHECK(parsed.header.latent_crc == 0x11223344);
  CHECK(!parsed.header.grey);
  CHECK(parsed.chunks.empty());
  CHECK(std::ranges::equal(parsed.payload, kPayload));
}

void test_everything_at_once() {
  Header header = example_header();
  header.grey = true;
  header.schedule = {2, 2, {10, 20, 162}};
  header.width = kMaxSide;
  header.height = 1;
  const std::vector<Chunk> chunks = {
      {kExif, Bytes(300, 1)}, {kIccProfile, {}}, {kAlpha, {1}}, {200, {2}}};
  const ParsedStream parsed = parse_stream(write_stream(header, chunks, {}));
  CHECK(parsed.header.grey);
  CHECK(parsed.header.has_chunks);
  CHECK(parsed.header.schedule.mode == 2);
  CHECK(parsed.header.schedule.phases == 2);
  CHECK((parsed.header.schedule.groups == std::vector<uint32_t>{10, 20, 162}));
  CHECK(parsed.header.width == kMaxSide);
  CHECK(parsed.header.height == 1);
  CHECK(parsed.payload.empty());
  CHECK(parsed.chunks.size() == chunks.size());
  for (size_t i = 0; i < chunks.size(); ++i) {
    CHECK(parsed.chunks[i].type == chunks[i].type);
    CHECK(parsed.chunks[i].bytes == chunks[i].bytes);
  }
}

void test_description() {
  Header header = example_header();
  header.schedule.phases = 0;
  header.schedule.groups = {192};
  const std::vector<HeaderField> fields = describe_header(header);
  const auto find = [&](const std::string& name) {
    return *std::find_if(fields.begin(), fields.end(),
                         [&](const HeaderField& field) { return field.name == name; });
  };
  CHECK(find("magic").value == "f553");
  CHECK(find("model_id").value == "a1b2c3");
  CHECK(find("quality").position == 6);
  CHECK(find("phases").position == 7);
  CHECK(find("group_size").value == "192");
  CHECK(find("width").position == 11);
  CHECK(find("width").value == "768");
  CHECK(find("latent_crc").value == "11223344");
}

void test_lying_headers() {
  const Bytes stream = write_stream(example_header(), {}, kPayload);
  const auto parse = [&](size_t position, uint8_t value) {
    parse_stream(changed(stream, position, value));
  };
  CHECK_FAILS(corrupt_stream, "not a Samebits stream", parse(0, 0x53));
  CHECK_FAILS(corrupt_stream, "not a Samebits stream", parse(1, 0));
  CHECK_FAILS(unsupported_version, "format version 1", parse(2, 0x01));
  CHECK_FAILS(unsupported_version, "reserved bits of flags are set (byte 2)", parse(2, 0xC0));
  CHECK_FAILS(unsupported_version, "reserved bits of flags", parse(2, 0x80));
  CHECK_FAILS(corrupt_stream, "quality is 101, must be 0 to 100 (byte 6)", parse(6, 101));
  CHECK_FAILS(unsupported_version, "mode 7 is reserved (byte 7)", parse(7, 0x07));
  for (uint8_t mode : {0, 1, 3, 4}) {
    CHECK_FAILS(unsupported_version, "goes with mode 2 only", parse(7, 0x18 | mode));
  }
  CHECK_FAILS(unsupported_version, "groups 3 is reserved (byte 7)", parse(7, 0x62));
  // These announce groups, or the size of a first part; the bytes of width and height are read.
  CHECK_FAILS(corrupt_stream, "group_count is 767", parse(7, 0x3A));
  CHECK_FAILS(corrupt_stream, "group_count is 767", parse(7, 0x42));
  CHECK_FAILS(corrupt_stream, "first is 767, must be 1 to 63", parse(7, 0x05));
}

// bitstream.md 2: the bytes of every kind of schedule.
void test_schedules() {
  const auto bytes_of = [](const ScheduleSpec& schedule) {
    Header header = example_header();
    header.schedule = schedule;
    const Bytes stream = write_stream(header, {}, kPayload);
    CHECK(parse_stream(stream).header.schedule == schedule);
    return Bytes(stream.begin() + 7, stream.end() - 4 - kPayload.size() - 8);
  };
  CHECK((bytes_of({0, 0, {}}) == Bytes{0x00}));
  CHECK((bytes_of({0, 2, {}}) == Bytes{0x10}));
  CHECK((bytes_of({2, 3, {}}) == Bytes{0x1A}));
  CHECK((bytes_of({4, 1, {}}) == Bytes{0x0C}));
  CHECK((bytes_of({1, 0, {8, 184}}) == Bytes{0x21, 2, 8, 0xB8, 0x01}));
  CHECK((bytes_of({3, 0, {}, 8}) == Bytes{0x43, 8}));
  CHECK((bytes_of({5, 0, {}, 0, 2}) == Bytes{0x05, 2}));
  CHECK((bytes_of({6, 2, {}, 16, 7}) == Bytes{0x56, 16, 7}));
  CHECK((bytes_of({6, 0, {4, 8}, 0, 1}) == Bytes{0x26, 2, 4, 8, 1}));
}

void test_sizes() {
  Bytes stream = write_stream(example_header(), {}, kPayload);
  const auto with_width = [&](const Bytes& varint) {
    Bytes copy = stream;
    copy.erase(copy.begin() + 8, copy.begin() + 10);
    copy.insert(copy.begin() + 8, varint.begin(), varint.end());
    parse_stream(with_checksum(copy));
  };
  CHECK_FAILS(corrupt_stream, "width is 268435457, must be 1 to",
              with_width({0x80, 0x80, 0x80, 0x80, 0x01}));
  CHECK_FAILS(corrupt_stream, "width is not a valid", with_width({0xFF, 0x00}));
  CHECK_FAILS(corrupt_stream, "width is not a valid",
              with_width({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}));
}

void test_lying_chunks() {
  const Bytes stream = write_stream(example_header(), {{kExif, {1, 2, 3}}}, {});
  const size_t count = 16, type = 17, length = 18;
  const auto parse = [&](size_t position, uint8_t value) {
    parse_stream(changed(stream, position, value));
  };
  CHECK_FAILS(corrupt_stream, "chunk_count is 0, must be 1 to 16 (byte 16)", parse(count, 0));
  CHECK_FAILS(corrupt_stream, "chunk_count is 17", parse(count, 17));
  CHECK_FAILS(truncated, "inside a chunk type", parse(count, 2));
  CHECK_FAILS(unsupported_version, "chunk type 0 (byte 17) is reserved", parse(type, 0));
  CHECK_FAILS(unsupported_version, "chunk type 5", parse(type, 5));
  CHECK_FAILS(unsupported_version, "chunk type 127", parse(type, 127));
  CHECK_FAILS(truncated, "inside a chunk (byte 19: needs 4, has 3)", parse(length, 4));
  CHECK(parse_stream(changed(stream, type, 128)).chunks[0].type == 128);

  Bytes twice = write_stream(example_header(), {{kExif, {}}, {kXmp, {}}}, {});
  CHECK_FAILS(corrupt_stream, "chunk type 2 (byte 19) comes twice",
              parse_stream(changed(twice, 19, kExif)));
}

void test_every_cut_and_flip() {
  const Bytes stream =
      write_stream(example_header(), {{kExif, {1, 2, 3}}, {kAlpha, Bytes(40, 4)}}, kPayload);
  const size_t body_without_payload = stream.size() - 4 - kPayload.size();
  for (size_t size = 0; size < stream.size(); ++size) {
    const Bytes cut(stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(size));
    // The last four bytes there are stand where the checksum was.
    const bool cut_inside_fields = size < body_without_payload + 4;
    if (cut_inside_fields) {
      CHECK_FAILS(truncated, "", parse_stream(cut));
    } else {
      CHECK_FAILS(corrupt_stream, "damaged or cut", parse_stream(cut));
    }
  }
  for (size_t bit = 0; bit < 8 * stream.size(); ++bit) {
    Bytes flipped = stream;
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    bool refused = false;
    try {
      parse_stream(flipped);
    } catch (const Error&) {
      refused = true;
    }
    CHECK(refused);
  }
  Bytes longer = stream;
  longer.push_back(0);
  CHECK_FAILS(corrupt_stream, "bytes after its end", parse_stream(longer));
}

void test_flips_with_checksum_repaired() {
  // Whatever the fields say then: a stream or an Error, and no memory beyond the bytes there are.
  const Bytes stream =
      write_stream(example_header(), {{kExif, {1, 2, 3}}, {kAlpha, Bytes(40, 4)}}, kPayload);
  int accepted = 0, refused = 0;
  for (size_t bit = 0; bit < 8 * (stream.size() - 4); ++bit) {
    Bytes flipped = stream;
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    try {
      const ParsedStream parsed = parse_stream(with_checksum(flipped));
      size_t held = parsed.payload.size();
      for (const Chunk& chunk : parsed.chunks) held += chunk.bytes.size();
      CHECK(held <= stream.size());
      ++accepted;
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(accepted > 100);
  CHECK(refused > 20);
}

void test_writer_refuses() {
  const auto write = [](auto change) {
    Header header = example_header();
    change(header);
    write_stream(header, {}, {});
  };
  CHECK_FAILS(invalid_argument, "quality is 101", write([](Header& h) { h.quality = 101; }));
  CHECK_FAILS(invalid_argument, "quality is -1", write([](Header& h) { h.quality = -1; }));
  CHECK_FAILS(invalid_argument, "width is 0, must be 1", write([](Header& h) { h.width = 0; }));
  CHECK_FAILS(invalid_argument, "height is", write([](Header& h) { h.height = kMaxSide + 1; }));
  CHECK_FAILS(invalid_argument, "modes", write([](Header& h) { h.schedule.mode = 7; }));
  CHECK_FAILS(invalid_argument, "mode 2 only", write([](Header& h) { h.schedule.mode = 4; }));
  CHECK_FAILS(invalid_argument, "first part", write([](Header& h) { h.schedule.first = 1; }));
  CHECK_FAILS(invalid_argument, "first", write([](Header& h) { h.schedule = {5, 0, {}}; }));
  CHECK_FAILS(invalid_argument, "first is 64", write([](Header& h) {
                h.schedule = {5, 0, {}, 0, 64};
              }));
  CHECK_FAILS(invalid_argument, "group_count is 65", write([](Header& h) {
                h.schedule = {4, 0, {}, 65};
              }));
  CHECK_FAILS(invalid_argument, "mode 0 has no groups", write([](Header& h) {
                h.schedule = {0, 0, {192}};
              }));
  CHECK_FAILS(invalid_argument, "four groups", write([](Header& h) {
                h.schedule = {2, 3, {100, 90, 2}};
              }));
  CHECK_FAILS(invalid_argument, "group_size is 0", write([](Header& h) {
                h.schedule = {2, 0, {192, 0}};
              }));
  CHECK_FAILS(invalid_argument, "group_count is 65", write([](Header& h) {
                h.schedule = {2, 0, std::vector<uint32_t>(65, 3)};
              }));
  const auto write_chunks = [](const std::vector<Chunk>& chunks) {
    write_stream(example_header(), chunks, {});
  };
  CHECK_FAILS(invalid_argument, "comes twice", write_chunks({{kXmp, {1}}, {kXmp, {2}}}));
  CHECK_FAILS(invalid_argument, "chunk type 77 is reserved", write_chunks({{77, {1}}}));
  std::vector<Chunk> many;
  for (int type = 128; type < 145; ++type) many.push_back({static_cast<uint8_t>(type), {}});
  CHECK_FAILS(invalid_argument, "17 chunks", write_chunks(many));
}

}  // namespace

int main() {
  test_layout();
  test_everything_at_once();
  test_description();
  test_lying_headers();
  test_schedules();
  test_sizes();
  test_lying_chunks();
  test_every_cut_and_flip();
  test_flips_with_checksum_repaired();
  test_writer_refuses();
}
