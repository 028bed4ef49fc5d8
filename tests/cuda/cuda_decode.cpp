// Whole decodes of golden streams through the emulated kernels: latents and pixels as the manifest
// says, several pictures at once, graphs used again, errors, and no memory lost.
#include <cstring>

#include "base/sha256.h"
#include "check.h"
#include "codec/cuda_decoder.h"
#include "codec/decode_picture.h"
#include "cuda_runtime.h"
#include "manifest.h"

using namespace samebits;
using golden::Manifest;

namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kLarge = 100000;  // bytes of a picture that is decoded once, which takes seconds

std::string latents_hash(const Tensor<int16_t>& y_hat) {
  Bytes bytes(y_hat.data.size() * 2);
  std::memcpy(bytes.data(), y_hat.data.data(), bytes.size());
  return golden::sha256_text(bytes);
}

std::string pixels_hash(const DevicePicture& picture) {
  Bytes samples(size_t(picture.height()) * picture.width() * picture.channels());
  picture.download(samples.data());
  return golden::sha256_text(samples);
}

std::vector<GpuDecoder::Outcome> decode_all(const GpuDecoder& decoder,
                                            const std::vector<Bytes>& streams,
                                            const GpuDecoder::Options& options = {}) {
  const std::vector<std::span<const uint8_t>> views(streams.begin(), streams.end());
  return decoder.decode(views, options);
}

// Orders in which elements see part of what is known are for the CPU.
bool on_cpu_only(const Bytes& stream) {
  return parse_stream(stream).header.schedule.mode >= 4;
}

void check_manifest(const std::string& path) {
  const Manifest manifest = golden::read_manifest(path);
  const GpuDecoder decoder(manifest.model, 0);
  std::vector<Bytes> streams;
  for (const auto& stream : manifest.streams) streams.push_back(stream.bytes);
  const auto outcomes = decode_all(decoder, streams);
  for (size_t n = 0; n < streams.size(); ++n) {
    const auto& expected = manifest.streams[n];
    if (on_cpu_only(streams[n])) {
      CHECK_FAILS(device_error, "modes 4 to 6", std::rethrow_exception(outcomes[n].error));
      continue;
    }
    if (outcomes[n].error) std::rethrow_exception(outcomes[n].error);
    if (pixels_hash(outcomes[n].picture) != expected.pixels_sha256)
      std::fprintf(stderr, "%s: other pixels\n", expected.name.c_str());
    CHECK(pixels_hash(outcomes[n].picture) == expected.pixels_sha256);
    if (expected.rgb.size() > kLarge) continue;
    // This time the graph is there already.
    CHECK(latents_hash(decoder.decode_latents(streams[n], {})) == expected.latents_sha256);
  }
}

// Like damage to a file whose checksum was made right again.
Bytes with_damaged_payload(Random& random, const Bytes& stream) {
  const ParsedStream parsed = parse_stream(stream);
  Bytes payload(parsed.payload.begin(), parsed.payload.end());
  const int64_t last = static_cast<int64_t>(payload.size()) - 1;
  if (random.one_in(3))
    payload.resize(random.between(0, last));
  else
    payload.at(random.between(0, last)) ^= static_cast<uint8_t>(1 << random.between(0, 7));
  return write_stream(parsed.header, parsed.chunks, payload);
}

template <class Decode>
std::string refusal(const Decode& decode) {
  try {
    decode();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// The CPU must refuse what the device refuses, in the same words.
void check_damage(const std::string& path) {
  const Manifest manifest = golden::read_manifest(path);
  const GpuDecoder decoder(manifest.model, 0);
  Random random(7);
  int refused = 0;
  for (const auto& stream : manifest.streams) {
    if (stream.rgb.size() > kLarge || on_cpu_only(stream.bytes)) continue;
    for (int n = 0; n < 4; ++n) {
      const Bytes damaged = with_damaged_payload(random, stream.bytes);
      const std::string expected =
          refusal([&] { decode_picture(damaged, manifest.model, Limits{}); });
      const auto outcomes = decode_all(decoder, {damaged});
      CHECK(refusal([&] {
              if (outcomes[0].error) std::rethrow_exception(outcomes[0].error);
            }) == expected);
      refused += !expected.empty();
    }
  }
  CHECK(refused > 20);
}

// A picture of a series needs the pictures before it, which only the CPU keeps.
void check_series(const std::string& path) {
  const Manifest manifest = golden::read_manifest(path);
  const GpuDecoder decoder(manifest.model, 0);
  const ParsedStream parsed = parse_stream(manifest.streams[0].bytes);
  Header header = parsed.header;
  header.time = true;
  const auto outcomes = decode_all(decoder, {write_stream(header, parsed.chunks, parsed.payload)});
  CHECK_FAILS(needs_series, "device=\"cpu\"", std::rethrow_exception(outcomes[0].error));
}

void check_device_errors(const std::string& path) {
  const Manifest manifest = golden::read_manifest(path);
  const Bytes& stream = manifest.streams[4].bytes;
  CHECK_FAILS(device_error, "no CUDA device 3", GpuDecoder(manifest.model, 3));
  emulator::limit_device_memory(1000);
  CHECK_FAILS(device_error, "out of memory", GpuDecoder(manifest.model, 0));
  emulator::limit_device_memory(SIZE_MAX);
  const GpuDecoder decoder(manifest.model, 0);
  const auto error_of = [&](const GpuDecoder::Options& options) {
    const auto outcomes = decode_all(decoder, {stream}, options);
    CHECK(outcomes[0].error);
    CHECK(outcomes[0].picture.samples() == nullptr);
    std::rethrow_exception(outcomes[0].error);
  };
  emulator::limit_device_memory(emulator::device_memory_in_use() + 1000);
  CHECK_FAILS(device_error, "out of memory", error_of({}));
  emulator::limit_device_memory(SIZE_MAX);
  GpuDecoder::Options tight;
  tight.limits.max_bytes = 1000;
  CHECK_FAILS(limit_exceeded, "device memory", error_of(tight));
  tight.limits = {};
  tight.limits.max_pixels = 10;
  CHECK_FAILS(limit_exceeded, "max_pixels", error_of(tight));
  emulator::lose_device(true);
  CHECK_FAILS(device_error, "cannot be used any more", error_of({}));
  emulator::lose_device(false);
  CHECK(!decode_all(decoder, {stream})[0].error);
}

// Streams with a probability per value are for the CPU; those of the same model without are not.
void check_values(const std::string& path) {
  const Manifest manifest = golden::read_manifest(path);
  const GpuDecoder decoder(manifest.model, 0);
  for (const auto& stream : manifest.streams) {
    const auto outcomes = decode_all(decoder, {stream.bytes});
    if (!parse_stream(stream.bytes).header.values) {
      CHECK(!outcomes[0].error);
      CHECK(pixels_hash(outcomes[0].picture) == stream.pixels_sha256);
      continue;
    }
    CHECK(outcomes[0].error);
    CHECK_FAILS(device_error, "device=\"cpu\"", std::rethrow_exception(outcomes[0].error));
  }
}

}  // namespace

int main(int argc, char** argv) {
  CHECK(argc >= 2);
  check_manifest(argv[1]);
  if (argc > 2) check_values(argv[2]);
  check_damage(argv[1]);
  check_series(argv[1]);
  if (emulator::kIsEmulated) check_device_errors(argv[1]);
  CHECK(emulator::device_memory_in_use() == 0);
}
