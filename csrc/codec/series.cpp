#include "codec/series.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"

namespace samebits {

void RecentLatents::push(PictureLatents latents) {
  std::shift_right(latents_.begin(), latents_.end(), 1);
  latents_[0] = std::move(latents);
  count_ = std::min(count_ + 1, kEarlierPictures);
}

SeriesEncoder::SeriesEncoder(const Model& model, int key_every)
    : model_(model), key_every_(key_every) {
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

EncodeResult SeriesEncoder::encode(const PictureView& picture, const EncodeOptions& options,
                                   const Limits& limits) {
  const bool same_size = picture.width == width_ && picture.height == height_;
  if (!same_size || since_key_ >= key_every_) {
    recent_.clear();
    since_key_ = 0;
  }
  EncodeResult result = encode_picture(picture, model_, options, limits, recent_.view());
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
