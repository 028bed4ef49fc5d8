// Analysis and synthesis between pixels and latents (arithmetic.md 3, "Picture in", "Picture out"),
// in strips of rows so that a large picture needs no large working set.
#pragma once

#include <cstdint>
#include <vector>

#include "codec/hyper_latents.h"
#include "codec/model.h"
#include "nn/tensor.h"

namespace samebits {

// Interleaved samples, 3 channels (RGB) or 1 (grey).
struct Picture {
  int width = 0;
  int height = 0;
  int channels = 3;
  std::vector<uint8_t> samples;  // [height][width][channels]
};

// Dense RGB of somebody else's memory.
struct PictureView {
  const uint8_t* rgb = nullptr;  // [height][width][3]
  int width = 0;
  int height = 0;
};

// y. Error(limit_exceeded) if strips do not fit into budget_bytes.
Tensor<int16_t> analyze(const Model& model, const PictureView& picture, const LatentSizes& sizes,
                        int64_t budget_bytes);

// The picture of y_hat, cropped to width x height. `channels` 1 averages the three (bitstream.md
// 4).
Picture synthesize(const Model& model, const Tensor<int16_t>& y_hat, int width, int height,
                   int channels, int64_t budget_bytes);

}  // namespace samebits
