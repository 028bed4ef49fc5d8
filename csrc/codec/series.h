// The pictures of a series one after another (requirement E6): each is coded with the latents of
// the two before it as context. Encoder and decoder keep the same integers, so nothing drifts.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "codec/decode_picture.h"
#include "codec/encode_picture.h"

namespace samebits {

inline constexpr int kKeyEvery = 32;  // pictures from one key picture to the next, at most

// Which pictures become key pictures: as often as asked for, or also where that is smaller.
enum class Keys { regular, adaptive };

// The last latents of a series, no older than its last key picture.
class RecentLatents {
 public:
  EarlierLatents view() const { return {latents_.data(), count_}; }
  void clear() { count_ = 0; }
  void push(PictureLatents latents);

 private:
  std::array<PictureLatents, kEarlierPictures> latents_;  // the last one first
  size_t count_ = 0;
};

class SeriesEncoder {
 public:
  // Keeps a reference to `model`. A key picture at least every `key_every` pictures: 1 codes all
  // of them alone; more is Error(invalid_argument) if the model has no network `time`.
  SeriesEncoder(const Model& model, int key_every, Keys keys = Keys::adaptive);

  // The next picture; one of another size begins anew. With adaptive keys, where the pictures
  // before help little it is coded alone, too, and becomes a key picture if that is smaller. Its
  // latents are kept here.
  EncodeResult encode(const PictureView& picture, const EncodeOptions& options,
                      const Limits& limits);

 private:
  bool helps_little(size_t bytes, int quality) const;
  void begin_anew();

  const Model& model_;
  int key_every_;
  Keys keys_;
  int since_key_ = 0;  // pictures since and with the last key picture
  int width_ = 0, height_ = 0;
  // Of the last picture that was coded alone: what the next ones would need, too, about.
  size_t alone_bytes_ = 0;
  int alone_quality_ = -1;
  RecentLatents recent_;
};

class SeriesDecoder {
 public:
  // Keeps a reference to `model`.
  explicit SeriesDecoder(const Model& model) : model_(model) {}

  // The next picture, or any key picture. After an Error only a key picture can follow.
  DecodeResult decode(std::span<const uint8_t> stream, const Limits& limits);

 private:
  const Model& model_;
  RecentLatents recent_;
};

}  // namespace samebits
