// Forged models: the tiny model with bytes changed. Each four bytes of input are a change: place
// (24 bits, low byte first) and new value. A model that is accepted must decode any stream to a
// picture or an Error, and must decode what it has encoded.
#include "base/error.h"
#include "codec/decode_picture.h"
#include "codec/encode_picture.h"
#include "fuzz_input.h"

namespace samebits::fuzz {
namespace {

constexpr Limits kLimits{1 << 16, int64_t{1} << 28};
constexpr int kSide = 24;

Bytes forged_weights(std::span<const uint8_t> changes) {
  Bytes weights = tiny().model_bytes;
  for (; changes.size() >= 4; changes = changes.subspan(4)) {
    const size_t place = changes[0] | changes[1] << 8 | changes[2] << 16;
    weights[place % weights.size()] = changes[3];
  }
  return weights;
}

void decode_golden(const Model& model, const golden::GoldenStream& stream) {
  try {
    decode_picture(presentable(stream.bytes, model), model, kLimits);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::invalid_argument) finding(error.what());
  }
}

void encode_and_decode(const Model& model, std::span<const uint8_t> rgb, bool values) {
  EncodeResult encoded;
  const PictureView picture{rgb.data(), kSide, kSide};
  try {
    encoded = encode_picture(
        picture, model, {.quality = 60, .schedule = {}, .values = values, .chunks = {}}, kLimits);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::limit_exceeded) finding(error.what());
    return;
  }
  try {
    decode_picture(encoded.stream, model, kLimits);
  } catch (const Error& error) {
    finding(error.what());
  }
}

}  // namespace
}  // namespace samebits::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace samebits;
  using namespace samebits::fuzz;
  Model model;
  try {
    model = Model::load(forged_weights({data, size}));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_argument) finding(error.what());
    return 0;
  }
  const auto& streams = tiny().streams;
  const golden::GoldenStream& stream = streams[size % streams.size()];
  decode_golden(model, stream);
  for (const golden::GoldenStream& source : streams) {
    if (source.rgb.size() < kSide * kSide * 3) continue;
    const std::span<const uint8_t> rgb = std::span(source.rgb).first(kSide * kSide * 3);
    encode_and_decode(model, rgb, model.values.has_value() && size % 2 == 0);
    break;
  }
  return 0;
}
