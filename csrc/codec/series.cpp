#include "codec/series.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"

namespace samebits {
namespace {

constexpr size_t kLittleHelpTenths = 9;  // of the bytes of a picture alone

}  // namespace

void RecentLatents::push(PictureLatents latents) {
  std::shift_right(latents_.begin(), latents_.end(), 1);
  latents_[0] = std::move(latents);
  count_ = std::min(count_ + 1, kEarlierPictures);
}

SeriesEncoder::SeriesEncoder(const Model& model, int key_every, Keys keys)
    : model_(model), key_every_(key_every), keys_(keys) {
  if (key_every < 1) {
    fail(ErrorKind::invalid_argument,
         "key_every is " + std::to_string(key_every) + ", must be at least 1");
  }
  if (key_every > 1 && !model.time) {
    fail(ErrorKind::invalid_argument,
         "this model has no network `time`, it knows nothing of series; key_every=1 codes every "
         "picture alone");
  }
}

// At a cut, or where everything moves, earlier pictures mislead.
bool SeriesEncoder::helps_little(size_t bytes, int quality) const {
  if (keys_ == Keys::regular) return false;
  return quality != alone_quality_ || kLittleHelpTenths * alone_bytes_ < 10 * bytes;
}

void SeriesEncoder::begin_anew() {
  recent_.clear();
  since_key_ = 0;
}

EncodeResult SeriesEncoder::encode(const PictureView& picture, const EncodeOptions& options,
                                   const Limits& limits) {
  const bool same_size = picture.width == width_ && picture.height == height_;
  if (!same_size || since_key_ >= key_every_) begin_anew();
  EncodeResult result = encode_picture(picture, model_, options, limits, recent_.view());
  const auto note_alone = [&](size_t bytes) {
    alone_bytes_ = bytes;
    alone_quality_ = options.quality;
  };
  if (since_key_ == 0) {
    note_alone(result.stream.size());
  } else if (helps_little(result.stream.size(), options.quality)) {
    EncodeResult alone = encode_picture(picture, model_, options, limits);
    note_alone(alone.stream.size());
    if (alone.stream.size() <= result.stream.size()) {
      begin_anew();
      result = std::move(alone);
    }
  }
  recent_.push(std::exchange(result.latents, {}));
  ++since_key_;
  width_ = picture.width;
  height_ = picture.height;
  return result;
}

DecodeResult SeriesDecoder::decode(std::span<const uint8_t> stream, const Limits& limits) {
  RecentLatents recent = std::exchange(recent_, {});
  DecodeResult result = decode_picture(stream, model_, limits, recent.view());
  if (!result.header.time) recent.clear();
  recent.push(std::exchange(result.latents, {}));
  recent_ = std::move(recent);
  return result;
}

}  // namespace samebits
