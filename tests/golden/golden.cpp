// Decodes golden streams and compares latents and pixels with their manifest, then encodes the
// pictures again and compares the bytes. The build and SAMEBITS_TARGET, SAMEBITS_THREADS choose the
// code that runs; the bits must not depend on them.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "base/threads.h"
#include "bitstream/series.h"
#include "codec/decode_picture.h"
#include "codec/encode_picture.h"
#include "codec/series.h"
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

void append_little_endian(const Tensor<int16_t>& y_hat, Bytes& bytes) {
  bytes.reserve(bytes.size() + y_hat.data.size() * 2);
  for (int16_t value : y_hat.data) {
    const uint16_t bits = static_cast<uint16_t>(value);
    bytes.push_back(static_cast<uint8_t>(bits));
    bytes.push_back(static_cast<uint8_t>(bits >> 8));
  }
}

Hashes hashes_of(const Bytes& stream, const Model& model) {
  const DecodedLatents latents = decode_latents(stream, model, Limits{});
  const DecodeResult decoded = decode_picture(stream, model, Limits{});
  Bytes latent_bytes;
  append_little_endian(latents.y_hat, latent_bytes);
  return {sha256_text(latent_bytes), sha256_text(decoded.picture.samples)};
}

std::vector<SeriesPicture> pictures_of(const Bytes& file) {
  SeriesReader reader(Limits{}.max_bytes);
  reader.append(file);
  std::vector<SeriesPicture> pictures;
  while (auto picture = reader.next()) pictures.push_back(std::move(*picture));
  reader.finish();
  return pictures;
}

Hashes hashes_of_series(const Bytes& file, const Model& model) {
  SeriesDecoder decoder(model);
  RecentLatents recent;
  Bytes latents, pixels;
  for (const SeriesPicture& picture : pictures_of(file)) {
    if (picture.is_key) recent.clear();
    DecodedLatents decoded = decode_latents(picture.stream, model, Limits{}, recent.view());
    append_little_endian(decoded.y_hat, latents);
    recent.push({std::move(decoded.y_hat), std::move(decoded.z_hat)});
    const Bytes samples = decoder.decode(picture.stream, Limits{}).picture.samples;
    pixels.insert(pixels.end(), samples.begin(), samples.end());
  }
  return {sha256_text(latents), sha256_text(pixels)};
}

// The next picture of the RGB file, of the size that the header tells.
PictureView take_picture(const std::string& name, std::span<const uint8_t>& rgb,
                         const Header& header) {
  const size_t bytes = size_t{header.width} * header.height * 3;
  if (rgb.size() < bytes) {
    throw std::runtime_error(name + ": its RGB file has too few bytes, " +
                             std::to_string(rgb.size()) + " are left of " + std::to_string(bytes));
  }
  const PictureView picture{rgb.data(), static_cast<int>(header.width),
                            static_cast<int>(header.height)};
  rgb = rgb.subspan(bytes);
  return picture;
}

EncodeOptions options_of(const ParsedStream& parsed) {
  EncodeOptions options;
  options.quality = parsed.header.quality;
  options.schedule = parsed.header.schedule;
  options.values = parsed.header.values;
  options.grey = parsed.header.grey;
  options.chunks = parsed.chunks;
  return options;
}

// The stream made anew from the picture, with the options that the golden stream tells.
Bytes encode_again(const GoldenStream& golden, const Model& model) {
  const ParsedStream parsed = parse_stream(golden.bytes);
  std::span<const uint8_t> rgb = golden.rgb;
  const PictureView picture = take_picture(golden.name, rgb, parsed.header);
  return encode_picture(picture, model, options_of(parsed), Limits{}).stream;
}

// As above; key pictures come as often as the second one says.
Bytes encode_series_again(const GoldenStream& golden, const Model& model) {
  const std::vector<SeriesPicture> pictures = pictures_of(golden.bytes);
  int key_every = 1;
  while (key_every < static_cast<int>(pictures.size()) && !pictures[key_every].is_key) ++key_every;
  SeriesEncoder encoder(model, key_every, Keys::regular);
  SeriesWriter writer;
  Bytes file;
  std::span<const uint8_t> rgb = golden.rgb;
  const auto append = [&](const Bytes& part) { file.insert(file.end(), part.begin(), part.end()); };
  for (const SeriesPicture& golden_picture : pictures) {
    const ParsedStream parsed = parse_stream(golden_picture.stream);
    const PictureView picture = take_picture(golden.name, rgb, parsed.header);
    append(writer.add(encoder.encode(picture, options_of(parsed), Limits{}).stream));
  }
  append(writer.end());
  return file;
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
  const auto check_one = [&](const GoldenStream& golden, const Hashes& found, const Bytes& again) {
    differences += compare(golden.name, "latents", found.latents, golden.latents_sha256);
    differences += compare(golden.name, "pixels", found.pixels, golden.pixels_sha256);
    differences +=
        compare(golden.name, "bytes encoded again", sha256_text(again), sha256_text(golden.bytes));
  };
  const Model& model = manifest.model;
  for (const GoldenStream& golden : manifest.streams)
    check_one(golden, hashes_of(golden.bytes, model), encode_again(golden, model));
  for (const GoldenStream& golden : manifest.series)
    check_one(golden, hashes_of_series(golden.bytes, model), encode_series_again(golden, model));
  std::printf("%zu streams decoded and encoded again, %d differences (target %s, %d threads)\n",
              manifest.streams.size() + manifest.series.size(), differences,
              target_name(target()).c_str(), thread_count());
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
