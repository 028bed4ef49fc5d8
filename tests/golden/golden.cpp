// Decodes golden streams and compares latents and pixels with their manifest, then encodes the
// pictures again and compares the bytes. The build and SAMEBITS_TARGET, SAMEBITS_THREADS choose the
// code that runs; the bits must not depend on them.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "base/threads.h"
#include "codec/decode_picture.h"
#include "codec/encode_picture.h"
#include "manifest.h"
#include "nn/target.h"

namespace samebits::golden {
namespace {

constexpr const char* kUsage =
    "usage: samebits_golden check MANIFEST...      compare, 0 if all is equal\n"
    "       samebits_golden print MODEL STREAM...  SHA-256 of latents and pixels\n"
    "       samebits_golden targets                usable values of SAMEBITS_TARGET\n";

struct Hashes {
  std::string latents, pixels;
};

Bytes little_endian(const Tensor<int16_t>& y_hat) {
  Bytes bytes;
  bytes.reserve(y_hat.data.size() * 2);
  for (int16_t value : y_hat.data) {
    const uint16_t bits = static_cast<uint16_t>(value);
    bytes.push_back(static_cast<uint8_t>(bits));
    bytes.push_back(static_cast<uint8_t>(bits >> 8));
  }
  return bytes;
}

Hashes hashes_of(const Bytes& stream, const Model& model) {
  const DecodedLatents latents = decode_latents(stream, model, Limits{});
  const DecodeResult decoded = decode_picture(stream, model, Limits{});
  return {sha256_text(little_endian(latents.y_hat)), sha256_text(decoded.picture.samples)};
}

// The stream made anew from the picture, with the options that the golden stream tells.
Bytes encode_again(const GoldenStream& golden, const Model& model) {
  const ParsedStream parsed = parse_stream(golden.bytes);
  const Header& header = parsed.header;
  const size_t rgb_bytes = size_t{header.width} * header.height * 3;
  if (golden.rgb.size() != rgb_bytes) {
    throw std::runtime_error(golden.name + ": its RGB file has " +
                             std::to_string(golden.rgb.size()) + " bytes, must have " +
                             std::to_string(rgb_bytes));
  }
  const PictureView picture{golden.rgb.data(), static_cast<int>(header.width),
                            static_cast<int>(header.height)};
  EncodeOptions options;
  options.quality = header.quality;
  options.schedule = header.schedule;
  options.values = header.values;
  options.grey = header.grey;
  options.chunks = parsed.chunks;
  return encode_picture(picture, model, options, Limits{}).stream;
}

int compare(const std::string& stream, const char* what, const std::string& found,
            const std::string& expected) {
  if (found == expected) return 0;
  std::printf("DIFFERENT %s: %s are %s, must be %s\n", stream.c_str(), what, found.c_str(),
              expected.c_str());
  return 1;
}

int check(const std::string& path) {
  const Manifest manifest = read_manifest(path);
  int differences = 0;
  for (const GoldenStream& golden : manifest.streams) {
    const Hashes found = hashes_of(golden.bytes, manifest.model);
    differences += compare(golden.name, "latents", found.latents, golden.latents_sha256);
    differences += compare(golden.name, "pixels", found.pixels, golden.pixels_sha256);
    differences +=
        compare(golden.name, "bytes encoded again",
                sha256_text(encode_again(golden, manifest.model)), sha256_text(golden.bytes));
  }
  std::printf("%zu streams decoded and encoded again, %d differences (target %s, %d threads)\n",
              manifest.streams.size(), differences, target_name(target()).c_str(), thread_count());
  return differences;
}

int run(const std::vector<std::string>& words) {
  if (words.size() == 1 && words[0] == "targets") {
    for (const std::string& name : targets()) std::printf("%s\n", name.c_str());
    return 0;
  }
  if (words.size() >= 2 && words[0] == "check") {
    int differences = 0;
    for (size_t i = 1; i < words.size(); ++i) differences += check(words[i]);
    return differences == 0 ? 0 : 1;
  }
  if (words.size() >= 3 && words[0] == "print") {
    const Model model = Model::load(read_file(words[1]));
    for (size_t i = 2; i < words.size(); ++i) {
      const Hashes found = hashes_of(read_file(words[i]), model);
      std::printf("%s %s %s\n", words[i].c_str(), found.latents.c_str(), found.pixels.c_str());
    }
    return 0;
  }
  std::fputs(kUsage, stderr);
  return 2;
}

}  // namespace
}  // namespace samebits::golden

int main(int argc, char** argv) {
  try {
    return samebits::golden::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "samebits_golden: %s\n", error.what());
    return 2;
  }
}
