// From a stream to a picture. The steps are those of architecture and data path: container,
// hyper-latents, step loop, synthesis. Integers only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bitstream/container.h"
#include "codec/limits.h"
#include "codec/model.h"
#include "codec/time_context.h"
#include "codec/transforms.h"

namespace samebits {

struct DecodedLatents {
  Tensor<int16_t> y_hat;  // [ceil(H/16)][ceil(W/16)][M]
  Tensor<int16_t> z_hat;  // [ceil(h/4)][ceil(w/4)][Nz]
  Header header;
  std::vector<Chunk> chunks;
  int steps = 0;
  int lanes = 0;
};

struct DecodeResult {
  Picture picture;         // 3 channels, or 1 if the stream says grey
  PictureLatents latents;  // context of the next picture of a series
  Header header;
  std::vector<Chunk> chunks;
  int steps = 0;
  int lanes = 0;
};

// Error(model_mismatch) if the stream was made with another model.
void check_model(const Header& header, const Model& model);

// CRC-32 of the latents as little-endian int16 in HWC order (arithmetic.md 4).
uint32_t latent_crc(const Tensor<int16_t>& y_hat);

// Everything up to the synthesis, the latents' checksum included. A stream with the time flag needs
// the latents of the pictures before it, Error(needs_series) without them; others ignore them.
DecodedLatents decode_latents(std::span<const uint8_t> stream, const Model& model,
                              const Limits& limits, EarlierLatents earlier = {});

// Any bytes end in a picture or in an Error.
DecodeResult decode_picture(std::span<const uint8_t> stream, const Model& model,
                            const Limits& limits, EarlierLatents earlier = {});

}  // namespace samebits
