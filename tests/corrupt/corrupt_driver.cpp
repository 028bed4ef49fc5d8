// Damages golden streams in every way listed below and decodes them. Any bytes must end in a
// picture or in a samebits::Error; with a wrong checksum they must end in an Error. Built with
// -fsanitize=address,undefined, it also shows that nothing is read or written out of bounds.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "base/crc32.h"
#include "base/error.h"
#include "base/fixed_point.h"
#include "codec/decode_picture.h"
#include "codec/transforms.h"
#include "manifest.h"

namespace samebits::golden {
namespace {

constexpr size_t kChecksumBytes = 4;
// Enough for every golden picture, and little enough that a lying header cannot hide behind it.
constexpr Limits kLimits{int64_t{1} << 22, int64_t{1} << 28};

struct Counts {
  std::array<int64_t, 8> errors{};  // by ErrorKind
  int64_t pictures = 0;
  int64_t failures = 0;

  int64_t total() const {
    int64_t sum = pictures + failures;
    for (int64_t count : errors) sum += count;
    return sum;
  }
};

enum class Allowed { errors_only, errors_and_pictures };

class Driver {
 public:
  Driver(const Manifest& manifest, int stride) : manifest_(manifest), stride_(stride) {}

  // Decodes `bytes` and counts what came of it.
  void decode(const Bytes& bytes, Allowed allowed, Counts& counts) {
    try {
      const DecodeResult result = decode_picture(bytes, manifest_.model, kLimits);
      const Picture& picture = result.picture;
      const size_t expected = size_t{result.header.width} * result.header.height * picture.channels;
      if (allowed == Allowed::errors_only || picture.samples.size() != expected) {
        ++counts.failures;
      } else {
        ++counts.pictures;
      }
    } catch (const Error& error) {
      ++counts.errors[static_cast<size_t>(error.kind())];
    } catch (const std::exception& error) {
      std::printf("FAILURE: an exception of another type: %s\n", error.what());
      ++counts.failures;
    }
  }

  // Positions or bits of large streams are visited every stride-th time only.
  int stride_for(const Bytes& bytes) const { return bytes.size() > kSmall ? stride_ : 1; }

  bool is_sample() const { return stride_ > 1; }

  const Manifest& manifest() const { return manifest_; }

 private:
  static constexpr size_t kSmall = 512;

  const Manifest& manifest_;
  int stride_;
};

Bytes with_checksum(Bytes bytes) {
  if (bytes.size() < kChecksumBytes) return bytes;
  const size_t body = bytes.size() - kChecksumBytes;
  const uint32_t crc = crc32(std::span(bytes).first(body));
  for (size_t i = 0; i < kChecksumBytes; ++i) {
    bytes[body + i] = static_cast<uint8_t>(crc >> (8 * i));
  }
  return bytes;
}

void truncations(const Bytes& stream, Driver& driver, Counts& counts) {
  for (size_t size = 0; size < stream.size(); ++size) {
    driver.decode({stream.begin(), stream.begin() + size}, Allowed::errors_only, counts);
  }
}

void repaired_truncations(const Bytes& stream, Driver& driver, Counts& counts) {
  for (size_t size = 0; size < stream.size(); size += driver.stride_for(stream)) {
    const Bytes cut(stream.begin(), stream.begin() + size);
    driver.decode(with_checksum(cut), Allowed::errors_and_pictures, counts);
  }
}

void flips(const Bytes& stream, Driver& driver, Counts& counts) {
  Bytes damaged = stream;
  for (size_t bit = 0; bit < 8 * stream.size(); ++bit) {
    damaged[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    driver.decode(damaged, Allowed::errors_only, counts);
    damaged[bit / 8] = stream[bit / 8];
  }
}

void repaired_flips(const Bytes& stream, Driver& driver, Counts& counts) {
  Bytes damaged = stream;
  for (size_t bit = 0; bit < 8 * (stream.size() - kChecksumBytes);
       bit += driver.stride_for(stream)) {
    damaged[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    driver.decode(with_checksum(damaged), Allowed::errors_and_pictures, counts);
    damaged[bit / 8] = stream[bit / 8];
  }
}

// Every value of every byte of the header, and of the first bytes behind it, where the lengths of
// chunks and of the escape section are. Many claim large pictures, which take their time: a sample
// tries an eighth of the values, others for each byte.
void header_bytes(const Bytes& stream, Driver& driver, Counts& counts) {
  const size_t end =
      std::min(stream.size() - kChecksumBytes, parse_stream(stream).header_bytes + kChecksumBytes);
  Bytes damaged = stream;
  for (size_t at = 0; at < end; ++at) {
    const int step = driver.is_sample() ? 8 : 1;
    for (int value = static_cast<int>(at) % step; value < 256; value += step) {
      damaged[at] = static_cast<uint8_t>(value);
      driver.decode(with_checksum(damaged), Allowed::errors_and_pictures, counts);
    }
    damaged[at] = stream[at];
  }
}

// Valid headers that claim another size, quality or schedule than the payload was made for.
void lying_headers(const Bytes& stream, Driver& driver, Counts& counts) {
  const ParsedStream parsed = parse_stream(stream);
  const auto decode = [&](const Header& header) {
    driver.decode(write_stream(header, parsed.chunks, parsed.payload), Allowed::errors_and_pictures,
                  counts);
  };
  for (uint32_t width : {1u, 15u, 16u, 17u, 255u, 2048u, 65536u, kMaxSide}) {
    for (uint32_t height : {1u, 15u, 16u, 17u, 255u, 2048u, 65536u, kMaxSide}) {
      Header header = parsed.header;
      header.width = width;
      header.height = height;
      decode(header);
    }
  }
  for (int quality = 0; quality <= kMaxQuality; ++quality) {
    Header header = parsed.header;
    header.quality = quality;
    decode(header);
  }
  const uint32_t channels = static_cast<uint32_t>(driver.manifest().model.latent_channels);
  const std::vector<ScheduleSpec> schedules = {
      {0, 0, {}},
      {2, 0, {}},
      {2, 2, {}},
      {2, 3, {}},
      {2, 0, {channels}},
      {2, 2, std::vector<uint32_t>(channels % 65, 1)},
      {2, 0, {channels, 1}},
      {2, 3, {1, 1, 1, 1}},
      {1, 0, {}, 4},
      {3, 1, {channels - 1, 1}},
      {4, 2, {}, channels},
      {5, 0, {}, 4, 2},
      {5, 0, {}, 4, 4},
      {6, 1, {}, channels, 1},
      {6, 0, {}, channels + 1, 1},
      {2, 0, {kMaxLatentChannels}},
      {2, 2, std::vector<uint32_t>(kMaxGroups, kMaxLatentChannels)},
  };
  for (const ScheduleSpec& schedule : schedules) {
    Header header = parsed.header;
    header.schedule = schedule;
    decode(header);
  }
}

void trailing_bytes(const Bytes& stream, Driver& driver, Counts& counts) {
  for (uint8_t value : {0, 1, 255}) {
    Bytes longer = stream;
    for (int more = 1; more <= 80; ++more) {
      longer.push_back(value);
      driver.decode(longer, Allowed::errors_only, counts);
      driver.decode(with_checksum(longer), Allowed::errors_and_pictures, counts);
    }
  }
}

// Latents that only a forger would write, with a right checksum: straight into the synthesis.
void extreme_latents(const Bytes& stream, Driver& driver, Counts& counts) {
  const Model& model = driver.manifest().model;
  Tensor<int16_t> y_hat(3, 4, model.latent_channels);
  uint32_t state = crc32(stream);
  for (int round = 0; round < 50; ++round) {
    for (int16_t& value : y_hat.data) {
      state = state * 1664525u + 1013904223u;
      const int16_t any = clamp16(static_cast<int16_t>(state >> 16));
      value = round % 2 == 0 ? any : static_cast<int16_t>(any < 0 ? -INT16_MAX : INT16_MAX);
    }
    const Picture picture = synthesize(model, y_hat, 59, 47, 3, kLimits.max_bytes);
    ++(picture.samples.size() == 59 * 47 * 3 ? counts.pictures : counts.failures);
  }
}

constexpr struct {
  const char* name;
  void (*damage)(const Bytes&, Driver&, Counts&);
} kKinds[] = {
    {"truncations", truncations},
    {"truncations, checksum repaired", repaired_truncations},
    {"bit flips", flips},
    {"bit flips, checksum repaired", repaired_flips},
    {"values of header bytes", header_bytes},
    {"lying headers", lying_headers},
    {"trailing bytes", trailing_bytes},
    {"extreme latents", extreme_latents},
};

int run(const std::string& path, int stride) {
  const Manifest manifest = read_manifest(path);
  Driver driver(manifest, stride);
  std::printf("%s: %zu streams\n%-31s %9s %9s %9s %9s %9s %9s %9s %9s %9s\n", path.c_str(),
              manifest.streams.size(), "", "decoded", "pictures", "corrupt", "truncated", "version",
              "model", "limit", "series", "FAILURES");
  int64_t failures = 0;
  for (const auto& [name, damage] : kKinds) {
    Counts counts;
    for (const GoldenStream& stream : manifest.streams) damage(stream.bytes, driver, counts);
    const auto errors = [&](ErrorKind kind) {
      return static_cast<long long>(counts.errors[static_cast<size_t>(kind)]);
    };
    // A decoder is not its caller: invalid_argument would blame the wrong one.
    counts.failures += errors(ErrorKind::invalid_argument);
    failures += counts.failures;
    std::printf("%-31s %9lld %9lld %9lld %9lld %9lld %9lld %9lld %9lld %9lld\n", name,
                static_cast<long long>(counts.total()), static_cast<long long>(counts.pictures),
                errors(ErrorKind::corrupt_stream), errors(ErrorKind::truncated),
                errors(ErrorKind::unsupported_version), errors(ErrorKind::model_mismatch),
                errors(ErrorKind::limit_exceeded), errors(ErrorKind::needs_series),
                static_cast<long long>(counts.failures));
    std::fflush(stdout);
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace samebits::golden

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    std::fputs(
        "usage: samebits_corrupt MANIFEST [STRIDE]\n"
        "Of streams above 512 bytes, every STRIDE-th (1) damage that needs a whole decode is "
        "tried.\n",
        stderr);
    return 2;
  }
  try {
    const int stride = argc == 3 ? std::atoi(argv[2]) : 1;
    return samebits::golden::run(argv[1], stride < 1 ? 1 : stride);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "samebits_corrupt: %s\n", error.what());
    return 2;
  }
}
