// CRC-32 and SHA-256 against published values; bytes and varints there and back.
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/crc32.h"
#include "base/sha256.h"
#include "check.h"

namespace {

using namespace samebits;

std::vector<uint8_t> bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}

std::string hex(std::span<const uint8_t> bytes) {
  std::string text;
  char digits[3];
  for (uint8_t byte : bytes) {
    std::snprintf(digits, sizeof digits, "%02x", byte);
    text += digits;
  }
  return text;
}

void test_crc32() {
  CHECK(crc32({}) == 0);
  CHECK(crc32(bytes_of("123456789")) == 0xCBF43926);  // the check value of the CRC's definition
  CHECK(crc32(bytes_of("The quick brown fox jumps over the lazy dog")) == 0x414FA339);
  std::vector<uint8_t> data(1000);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(i * i + 7 * i);
  const uint32_t whole = crc32(data);
  for (size_t cut : {0, 1, 7, 8, 9, 500, 993, 1000}) {
    const std::span<const uint8_t> all(data);
    CHECK(crc32(all.subspan(cut), crc32(all.first(cut))) == whole);
  }
}

void test_sha256() {
  CHECK(hex(sha256({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(sha256(bytes_of("abc"))) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(sha256(bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(hex(sha256(std::vector<uint8_t>(1000000, 'a'))) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

void test_numbers() {
  ByteWriter writer;
  writer.u8(0x12);
  writer.u16(0x3456);
  writer.u32(0x789ABCDE);
  CHECK(hex(writer.bytes()) == "125634debc9a78");
  ByteReader reader(writer.bytes());
  CHECK(reader.u8() == 0x12);
  CHECK(reader.u16() == 0x3456);
  CHECK(reader.position() == 3);
  CHECK(reader.u32() == 0x789ABCDE);
  CHECK(reader.remaining() == 0);
  CHECK_FAILS(truncated, "inside size (byte 7: needs 1, has 0)", reader.u8("size"));
}

void test_varints() {
  for (uint32_t value : {0u, 1u, 127u, 128u, 16383u, 16384u, 0x0FFFFFFFu, 0x10000000u, ~0u}) {
    ByteWriter writer;
    writer.varint(value);
    ByteReader reader(writer.bytes());
    CHECK(reader.varint() == value);
    CHECK(reader.remaining() == 0);
  }
  const auto read = [](std::vector<uint8_t> bytes) { ByteReader(bytes).varint("size"); };
  CHECK_FAILS(corrupt_stream, "size is not a valid varint", read({0x80, 0x00}));
  CHECK_FAILS(corrupt_stream, "not a valid", read({0xFF, 0xFF, 0xFF, 0xFF, 0x10}));
  CHECK_FAILS(corrupt_stream, "not a valid", read({0x80, 0x80, 0x80, 0x80, 0x80, 0x01}));
  CHECK_FAILS(truncated, "inside size", read({0x80}));
}

}  // namespace

int main() {
  test_crc32();
  test_sha256();
  test_numbers();
  test_varints();
}
