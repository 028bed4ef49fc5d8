// The inner kernels of a convolution, one set for each target.
//
// A kernel works on a block: a run of output pixels whose inputs are given as one pointer for each
// kernel tap and pixel, so that borders, strides, windows and line ends are solved once, outside
// (conv_blocks.h). Vector kernels work on groups of 16 output channels: the sums of one group of a
// block stay in the first-level cache until they are requantized.
#pragma once

#include <cstdint>

namespace samebits {

inline constexpr int kBlockPixels = 48;  // a multiple of a tile's pixels
inline constexpr int kTilePixels = 6;    // of all vector targets
inline constexpr int kMaxTaps = 9;
inline constexpr int kOutputGroup = 16;
inline constexpr int kMaxTileGroups = 4;  // groups of one call of dense()

// Channels of a group stand in the order 0-3, 8-11, 4-7, 12-15, in weights as in sums. It is what
// interleaving 16-bit lanes of a 256-bit register gives, and what packing to 16 bits takes back.
inline constexpr int kQuarterOrder[4] = {0, 8, 4, 12};

// The taps of a 3 x 3 depthwise kernel that share an instruction, -1 for none: a column of rows 0
// and 1 is loaded once for three outputs, and row 2 once for all.
inline constexpr int kDepthwisePairs = 5;
inline constexpr int kDepthwisePair[kDepthwisePairs][2] = {{0, 3}, {1, 4}, {2, 5}, {6, 7}, {-1, 8}};

struct ConvBlock {
  const int16_t* const* inputs;  // [taps][pixels], each at that pixel's first channel
  int taps;
  int pixels;
  int in_channels;
};

// How 16 channels are requantized, in group order. Channels that do not exist are harmless.
struct GroupScale {
  int32_t multiplier[kOutputGroup];
  int32_t shift[kOutputGroup];
  // Where every multiplier < 2^(shift - 1): v is the upper half of acc * factor + 2^(31 +
  // more_shift), shifted by more_shift; factor < 2^31 is multiplier * 2^(32 - shift) for a shift up
  // to 32 and the multiplier itself beyond.
  int32_t factor[kOutputGroup];
  int32_t more_shift[kOutputGroup];
  int32_t form;  // one of ScaleForm
};

enum ScaleForm : int32_t {
  kScaleUpper,       // more_shift is 0 in all channels
  kScaleUpperShift,  // factor and more_shift
  kScaleAny,         // only multiplier and shift can be used
};

struct ActivationRange {
  int leaky, lo, hi;
};

// Sums of one group of a block to activations; with `add`, out = clamp(activation + add, add_lo,
// add_hi).
struct RequantizeJob {
  const int32_t* acc;  // [pixels][16] in group order
  int pixels;
  int channels;  // 1 .. 16 that exist
  const GroupScale* scale;
  ActivationRange range;
  const int16_t* add;  // as out, or null
  int add_lo, add_hi;
  int16_t* out;  // at the first pixel's first channel of the group
  int64_t out_stride;
};

// Rows of a 3 x 3 depthwise convolution of stride 1: pixel x of input row r is at row[r] + x *
// step[r]. A row outside the picture is a pixel of zeros with step 0.
struct DepthwiseRows {
  const int16_t* row[3];
  int64_t step[3];
  int width;      // columns outside 0 .. width - 1 are zeros
  int x, pixels;  // of the output
  int channels;   // 1 .. 16 that exist
};

// Vector files take bare pointers to the packed layer: they are compiled with other flags, and
// inline code of the standard library must not leave them.
struct ConvKernels {
  int tile_groups;  // dense() is quickest with so many groups
  // Sums of `groups` groups, into acc [groups][pixels][16].
  void (*dense)(const ConvBlock& block, const int16_t* weight, const int32_t* bias, int groups,
                int32_t* acc);
  // Sums of the group's channels, of which 1 .. 16 exist, for any stride and 1 or 9 taps.
  void (*depthwise)(const ConvBlock& block, int first_channel, int channels, const int16_t* weight,
                    const int32_t* bias, int32_t* acc);
  void (*depthwise_rows)(const DepthwiseRows& rows, const int16_t* weight, const int32_t* bias,
                         int32_t* acc);
  void (*requantize)(const RequantizeJob& job);
};

extern const ConvKernels kConvAvx2, kConvAvx512, kConvNeon;

// The definition. Its sums are in natural order, [pixels][out_channels].
struct ConvLayer;
void dense_block_scalar(const ConvLayer& layer, const ConvBlock& block, int32_t* acc);
void depthwise_block_scalar(const ConvLayer& layer, const ConvBlock& block, int32_t* acc);
// One pixel's sums.
void requantize_scalar(const int32_t* acc, int channels, const int32_t* multiplier,
                       const int32_t* shift, const ActivationRange& range, int16_t* out);

}  // namespace samebits
