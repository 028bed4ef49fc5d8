// The weights file: what is stored is read, and hostile bytes are refused without harm.
#include <string>

#include "check.h"
#include "nn/weights_file.h"
#include "weights_builder.h"

using namespace samebits;

namespace {

WeightsBuilder sample() {
  WeightsBuilder builder;
  builder.add("a", "I8", {2, 2}, std::vector<int64_t>{-128, -1, 0, 127});
  builder.add("b", "U8", {3}, std::vector<int64_t>{0, 128, 255});
  builder.add("c", "I16", {2}, std::vector<int64_t>{-32768, 32767});
  builder.add("d", "U16", {2}, std::vector<int64_t>{0, 65535});
  builder.add("e", "I32", {2}, std::vector<int64_t>{INT32_MIN, INT32_MAX});
  builder.add("none", "I32", {0, 5}, std::vector<int64_t>{});
  builder.add("scalar", "I32", {}, std::vector<int64_t>{7});
  return builder;
}

void values_and_widening() {
  const WeightsFile file = sample().file();
  CHECK(file.has("a") && !file.has("z"));
  CHECK(file.names().size() == 7);
  CHECK((file.i16("a", {2, 2}) == std::vector<int16_t>{-128, -1, 0, 127}));
  CHECK((file.i32("a", {-1, 2}) == std::vector<int32_t>{-128, -1, 0, 127}));
  CHECK((file.u8("b", {3}) == std::vector<uint8_t>{0, 128, 255}));
  CHECK((file.i16("b", {3}) == std::vector<int16_t>{0, 128, 255}));
  CHECK((file.i16("c", {2}) == std::vector<int16_t>{-32768, 32767}));
  CHECK((file.u16("d", {2}) == std::vector<uint16_t>{0, 65535}));
  CHECK((file.i32("e", {2}) == std::vector<int32_t>{INT32_MIN, INT32_MAX}));
  CHECK(file.i32("none", {0, 5}).empty());
  CHECK(file.i32("scalar", {}) == std::vector<int32_t>{7});
  CHECK((file.shape("a") == std::vector<int64_t>{2, 2}));
  CHECK_FAILS(invalid_argument, "no tensor 'z'", file.i32("z", {1}));
  CHECK_FAILS(invalid_argument, "has shape [2, 2], needs [4]", file.i32("a", {4}));
  CHECK_FAILS(invalid_argument, "needs [any, 3]", file.i32("a", {-1, 3}));
  CHECK_FAILS(invalid_argument, "holds 65535", file.i16("d", {2}));
  CHECK_FAILS(invalid_argument, "holds -128", file.u8("a", {2, 2}));
}

void refused_headers() {
  const std::vector<uint8_t> four_bytes(4);
  const auto refused = [&](const char* part, const std::string& header) {
    CHECK_FAILS(invalid_argument, part,
                WeightsFile::parse(WeightsBuilder::with_header(header, four_bytes)));
  };
  const std::string good = R"("t":{"dtype":"I32","shape":[1],"data_offsets":[0,4]})";
  WeightsFile::parse(WeightsBuilder::with_header("{" + good + "}  ", four_bytes));
  refused("expected", "");
  refused("expected", "[]");
  refused("expected", "{" + good);
  refused("expected", "{" + good + ",}");
  refused("text after", "{" + good + "} x");
  refused("after the last tensor", "{}");
  refused("appears twice",
          "{" + good + R"(,"t":{"dtype":"I32","shape":[0],"data_offsets":[4,4]}})");
  refused("twice", R"({"__metadata__":{},"__metadata__":{}})");
  refused("twice", R"({"t":{"dtype":"I32","dtype":"I32","shape":[1],"data_offsets":[0,4]}})");
  refused("dtype F32", R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})");
  refused("expected a number", R"({"t":{"dtype":"I32","shape":[-1],"data_offsets":[0,4]}})");
  refused("expected", R"({"t":{"dtype":"I32","shape":[1.5],"data_offsets":[0,4]}})");
  refused("leading zero", R"({"t":{"dtype":"I32","shape":[01],"data_offsets":[0,4]}})");
  refused("above 2^48",
          R"({"t":{"dtype":"I32","shape":[99999999999999999999],"data_offsets":[0,4]}})");
  refused("does not match",
          R"({"t":{"dtype":"I32","shape":[4294967296,4294967296,0,1],"data_offsets":[0,4]}})");
  refused("larger than the file",
          R"({"t":{"dtype":"I32","shape":[65536,65536],"data_offsets":[0,4]}})");
  refused("does not match", R"({"t":{"dtype":"I32","shape":[1],"data_offsets":[4,0]}})");
  refused("does not match", R"({"t":{"dtype":"I32","shape":[1],"data_offsets":[1,5]}})");
  refused("does not match", R"({"t":{"dtype":"I32","shape":[1],"data_offsets":[0,3]}})");
  refused("does not match", R"({"t":{"dtype":"I16","shape":[1],"data_offsets":[0,4]}})");
  refused("does not match", R"({"a":{"dtype":"I16","shape":[2],"data_offsets":[0,4]},)"
                            R"("t":{"dtype":"I16","shape":[1],"data_offsets":[2,4]}})");
  refused("longer than",
          R"({"t":{"dtype":"I8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})");
  refused("longer than", R"({"t":{"dtype":"I8","shape":[4],"data_offsets":[0,4,4]}})");
  refused("needs dtype", R"({"t":{"dtype":"I8","shape":[4]}})");
  refused("unknown member", R"({"t":{"dtype":"I8","shape":[4],"data_offsets":[0,4],"x":1}})");
  refused("printable", "{\"t\\u00e9\":{}}");
  refused("printable", "{\"t\xff\":{}}");
  refused("longer than 256", "{\"" + std::string(257, 'n') + "\":{}}");
  refused("control character", "{\"t\n\":{}}");
  refused("unknown escape", "{\"\\x41\":{}}");
  refused("\\u escape", "{\"\\u00g1\":{}}");
  refused("inside a string", "{\"abc");
  refused("inside a string", "{\"abc\\");
  refused("expected", std::string(100000, '{'));
}

void refused_sizes() {
  CHECK_FAILS(invalid_argument, "shorter than 8", WeightsFile::parse({}));
  CHECK_FAILS(invalid_argument, "shorter than 8", WeightsFile::parse(std::vector<uint8_t>(7)));
  CHECK_FAILS(invalid_argument, "header's size", WeightsFile::parse(std::vector<uint8_t>(9, 0xFF)));
  CHECK_FAILS(invalid_argument, "header's size",
              WeightsFile::parse({3, 0, 0, 0, 0, 0, 0, 0, '{', '}'}));
}

void try_to_read(const std::vector<uint8_t>& bytes) {
  try {
    const WeightsFile file = WeightsFile::parse(bytes);
    for (const std::string& name : file.names()) file.i32(name, file.shape(name));
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid_argument);
  }
}

// Every truncation is refused; flips and random edits never do harm.
void damaged_files() {
  const std::vector<uint8_t> good = sample().bytes();
  for (size_t size = 0; size < good.size(); ++size) {
    CHECK_FAILS(invalid_argument, "weights file",
                WeightsFile::parse({good.begin(), good.begin() + static_cast<int64_t>(size)}));
  }
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::vector<uint8_t> bytes = good;
    bytes[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    try_to_read(bytes);
  }
  Random random(1);
  const std::string alphabet = "{}[]\",:0123456789\\u_I8U16 eE.-+nt";
  for (int n = 0; n < 5000; ++n) {
    std::vector<uint8_t> bytes = good;
    for (int64_t edits = random.between(1, 6); edits > 0; --edits)
      bytes[random.between(8, bytes.size() - 1)] =
          static_cast<uint8_t>(alphabet[random.between(0, alphabet.size() - 1)]);
    try_to_read(bytes);
  }
}

}  // namespace

int main() {
  values_and_widening();
  refused_headers();
  refused_sizes();
  damaged_files();
}
