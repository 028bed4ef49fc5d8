#include "manifest.h"

#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "base/sha256.h"

namespace samebits::golden {
namespace {

Bytes read_checked(const std::filesystem::path& path, const std::string& sha256) {
  Bytes bytes = read_file(path);
  const std::string found = sha256_text(bytes);
  if (found != sha256) {
    throw std::runtime_error(path.string() + " has the SHA-256 " + found + ", the manifest says " +
                             sha256 + "; make the golden files again if that is on purpose");
  }
  return bytes;
}

}  // namespace

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

std::string sha256_text(std::span<const uint8_t> bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (uint8_t byte : sha256(bytes)) text += {digits[byte >> 4], digits[byte & 15]};
  return text;
}

Manifest read_manifest(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  const std::filesystem::path folder = path.parent_path();
  Manifest manifest;
  bool model_seen = false;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string kind, name, sha256;
    words >> kind >> name >> sha256;
    if (words && kind == "model") {
      manifest.model_bytes = read_checked(folder / name, sha256);
      manifest.model = Model::load(manifest.model_bytes);
      model_seen = true;
      continue;
    }
    GoldenStream stream{name, {}, {}, {}, {}};
    std::string rgb;
    words >> stream.latents_sha256 >> stream.pixels_sha256 >> rgb;
    if (!words || (kind != "stream" && kind != "series")) {
      throw std::runtime_error(path.string() + ": this line is no manifest line: " + line);
    }
    stream.bytes = read_checked(folder / name, sha256);
    stream.rgb = read_file(folder / rgb);
    (kind == "series" ? manifest.series : manifest.streams).push_back(std::move(stream));
  }
  if (!model_seen || (manifest.streams.empty() && manifest.series.empty())) {
    throw std::runtime_error(path.string() + " names no model, or nothing to decode");
  }
  return manifest;
}

}  // namespace samebits::golden
