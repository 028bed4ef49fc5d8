// Golden files: streams with the SHA-256 of what they must decode to. A manifest is lines of words,
// so that no JSON reader is needed on the machines where it is checked:
//
//   model  FILE SHA256
//   stream FILE SHA256 LATENTS_SHA256 PIXELS_SHA256 RGB_FILE
//   series FILE SHA256 LATENTS_SHA256 PIXELS_SHA256 RGB_FILE
//
// Files are relative to the manifest. Latents are int16, low byte first, [h][w][M]. RGB_FILE holds
// the picture the stream was encoded from ([height][width][3] bytes). Of a series, each of these is
// that of all pictures, one after another. Lines that begin with # are comments.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "codec/model.h"

namespace samebits::golden {

using Bytes = std::vector<uint8_t>;

struct GoldenStream {
  std::string name;
  Bytes bytes;
  std::string latents_sha256;
  std::string pixels_sha256;
  Bytes rgb;
};

struct Manifest {
  Model model;
  Bytes model_bytes;
  std::vector<GoldenStream> streams;
  std::vector<GoldenStream> series;
};

// Reads the manifest and every file it names, and compares their SHA-256. std::runtime_error, with
// a sentence, if anything is not as it says.
Manifest read_manifest(const std::filesystem::path& path);

Bytes read_file(const std::filesystem::path& path);

// SHA-256 in hexadecimal.
std::string sha256_text(std::span<const uint8_t> bytes);

}  // namespace samebits::golden
