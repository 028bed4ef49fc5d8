// What the fuzz targets share: the tiny model, its golden streams, and streams made presentable so
// that the fuzzer need not guess a checksum.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "base/crc32.h"
#include "manifest.h"

namespace samebits::fuzz {

using golden::Bytes;

inline const golden::Manifest& tiny() {
  static const golden::Manifest manifest = golden::read_manifest(SAMEBITS_FUZZ_MANIFEST);
  return manifest;
}

// Ends the run as a finding.
[[noreturn]] inline void finding(const char* what) {
  std::fprintf(stderr, "finding: %s\n", what);
  std::abort();
}

// The stream with the model's name at its place (bitstream.md 1) and a right checksum at its end.
inline Bytes presentable(std::span<const uint8_t> stream, const Model& model) {
  constexpr size_t kModelId = 3, kChecksumBytes = 4;
  Bytes bytes(stream.begin(), stream.end());
  const auto id = model.id();
  if (bytes.size() < kModelId + id.size() + kChecksumBytes) return bytes;
  std::copy(id.begin(), id.end(), bytes.begin() + kModelId);
  const size_t body = bytes.size() - kChecksumBytes;
  const uint32_t crc = crc32(std::span(bytes).first(body));
  for (size_t i = 0; i < kChecksumBytes; ++i) {
    bytes[body + i] = static_cast<uint8_t>(crc >> (8 * i));
  }
  return bytes;
}

}  // namespace samebits::fuzz
