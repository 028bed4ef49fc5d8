// A layer's tables in the order the vector kernels read them (conv_kernels.h).
#pragma once

#include <cstdint>

#include "nn/aligned_vector.h"
#include "nn/conv_kernels.h"

namespace samebits {

struct ConvLayer;

// Everything comes in groups of 16 output channels, in group order; what does not exist is 0.
struct PackedConv {
  // Dense: [groups][taps][(I+1)/2][16][2], input channels 2i and 2i + 1 side by side.
  // Depthwise: [groups][pairs][16][2], the taps of kDepthwisePair, or one pair (0, none) if 1 x 1.
  AlignedVector<int16_t> weight;
  int64_t group_weights = 0;        // entries of a group
  AlignedVector<int32_t> bias;      // [groups][16]
  AlignedVector<GroupScale> scale;  // [groups], or empty without multiplier and shift
};

PackedConv pack_weights(const ConvLayer& layer);

// Scale of `channels` 1 .. 16 channels, whose multipliers and shifts are within requantize.h.
GroupScale pack_scale(const int32_t* multiplier, const int32_t* shift, int channels);

// The scales of all groups of a layer, none without multiplier and shift.
AlignedVector<GroupScale> pack_scales(const ConvLayer& layer);

// Place of a group's channel in group order.
constexpr int place_in_group(int channel) {
  return kQuarterOrder[channel / 4] + channel % 4;
}

constexpr int group_count(int channels) {
  return (channels + kOutputGroup - 1) / kOutputGroup;
}

}  // namespace samebits
