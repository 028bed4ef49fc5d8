// Damages golden series in every way listed below and decodes them, as samebits_corrupt does with
// single pictures: any bytes must end in pictures or in a samebits::Error.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "base/crc32.h"
#include "base/error.h"
#include "bitstream/series.h"
#include "codec/series.h"
#include "manifest.h"

namespace samebits::golden {
namespace {

constexpr size_t kChecksumBytes = 4;
constexpr size_t kPiece = 61;  // bytes handed to the reader at once
constexpr Limits kLimits{int64_t{1} << 22, int64_t{1} << 28};

struct Counts {
  int64_t whole = 0, errors = 0, failures = 0;
};

enum class Allowed { errors_only, errors_and_pictures };

void decode_all(const Bytes& file, const Model& model) {
  SeriesReader reader(kLimits.max_bytes);
  SeriesDecoder decoder(model);
  for (size_t begin = 0; begin < file.size(); begin += kPiece) {
    reader.append(std::span(file).subspan(begin, std::min(kPiece, file.size() - begin)));
    while (const auto picture = reader.next()) decoder.decode(picture->stream, kLimits);
  }
  reader.finish();
}

void decode(const Bytes& file, const Model& model, Allowed allowed, Counts& counts) {
  try {
    decode_all(file, model);
    ++(allowed == Allowed::errors_only ? counts.failures : counts.whole);
  } catch (const Error& error) {
    // A decoder is not its caller: invalid_argument would blame the wrong one.
    ++(error.kind() == ErrorKind::invalid_argument ? counts.failures : counts.errors);
  } catch (const std::exception& error) {
    std::printf("FAILURE: an exception of another type: %s\n", error.what());
    ++counts.failures;
  }
}

void repair(std::span<uint8_t> bytes) {
  if (bytes.size() < kChecksumBytes) return;
  const size_t body = bytes.size() - kChecksumBytes;
  const uint32_t crc = crc32(bytes.first(body));
  for (size_t i = 0; i < kChecksumBytes; ++i) bytes[body + i] = static_cast<uint8_t>(crc >> 8 * i);
}

// Where the picture streams of an undamaged file lie.
std::vector<std::pair<size_t, size_t>> places(const Bytes& file) {
  SeriesReader reader(kLimits.max_bytes);
  reader.append(file);
  std::vector<std::pair<size_t, size_t>> found;
  size_t at = 3;
  while (const auto picture = reader.next()) {
    const size_t size = picture->stream.size();
    at += size < 128 ? 1 : 2;
    found.emplace_back(at, size);
    at += size;
  }
  return found;
}

void truncations(const Bytes& file, const Model& model, Counts& counts) {
  for (size_t size = 0; size < file.size(); ++size) {
    Bytes cut(file.begin(), file.begin() + static_cast<ptrdiff_t>(size));
    decode(cut, model, Allowed::errors_only, counts);
    repair(cut);
    decode(cut, model, Allowed::errors_only, counts);
  }
}

void flips(const Bytes& file, const Model& model, Counts& counts) {
  for (size_t bit = 0; bit < 8 * file.size(); ++bit) {
    Bytes damaged = file;
    damaged[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    decode(damaged, model, Allowed::errors_only, counts);
    repair(damaged);
    decode(damaged, model, Allowed::errors_and_pictures, counts);
  }
}

// Bits of pictures, all checksums right again: into range decoder, networks and latents.
void flips_in_pictures(const Bytes& file, const Model& model, Counts& counts) {
  for (const auto& [begin, size] : places(file)) {
    for (size_t bit = 8 * begin; bit < 8 * (begin + size - kChecksumBytes); ++bit) {
      Bytes damaged = file;
      damaged[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      repair(std::span(damaged).subspan(begin, size));
      repair(damaged);
      decode(damaged, model, Allowed::errors_and_pictures, counts);
    }
  }
}

// Pictures left out, doubled, exchanged.
void other_orders(const Bytes& file, const Model& model, Counts& counts) {
  const auto streams = places(file);
  for (size_t a = 0; a < streams.size(); ++a) {
    for (size_t b = 0; b < streams.size(); ++b) {
      Bytes mixed(file.begin(), file.begin() + 3);
      for (size_t n : {a, b, a}) {
        const auto [begin, size] = streams[n];
        const size_t head = size < 128 ? 1 : 2;
        const auto from = file.begin() + static_cast<ptrdiff_t>(begin - head);
        mixed.insert(mixed.end(), from, from + static_cast<ptrdiff_t>(head + size));
      }
      mixed.insert(mixed.end(), 1 + kChecksumBytes, 0);
      repair(mixed);
      decode(mixed, model, Allowed::errors_and_pictures, counts);
    }
  }
}

constexpr struct {
  const char* name;
  void (*damage)(const Bytes&, const Model&, Counts&);
} kKinds[] = {
    {"truncations", truncations},
    {"bit flips", flips},
    {"bit flips, all checksums repaired", flips_in_pictures},
    {"other orders of pictures", other_orders},
};

int run(const std::string& path) {
  const Manifest manifest = read_manifest(path);
  std::printf("%s: %zu series\n%-34s %9s %9s %9s\n", path.c_str(), manifest.series.size(), "",
              "decoded", "errors", "FAILURES");
  int64_t failures = 0;
  for (const auto& [name, damage] : kKinds) {
    Counts counts;
    for (const GoldenStream& series : manifest.series) damage(series.bytes, manifest.model, counts);
    failures += counts.failures;
    std::printf("%-34s %9lld %9lld %9lld\n", name, static_cast<long long>(counts.whole),
                static_cast<long long>(counts.errors), static_cast<long long>(counts.failures));
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace samebits::golden

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: samebits_corrupt_series MANIFEST\n", stderr);
    return 2;
  }
  try {
    return samebits::golden::run(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "samebits_corrupt_series: %s\n", error.what());
    return 2;
  }
}
