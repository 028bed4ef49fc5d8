// The inner kernels of a convolution, one set for each target. A kernel works on a block: a stretch
// of output pixels whose inputs are given as one pointer for each kernel tap and pixel, so that
// borders, strides and windows are solved once, outside (conv.cpp).
#pragma once

#include <cstdint>

namespace samebits {

inline constexpr int kBlockPixels = 48;  // a multiple of the six pixels of an AVX2 tile
inline constexpr int kMaxTaps = 9;
inline constexpr int kOutputGroup =
    16;  // packed layers and block accumulators come in groups of 16

constexpr int round_up_to_group(int channels) {
  return (channels + kOutputGroup - 1) / kOutputGroup * kOutputGroup;
}

struct ConvBlock {
  const int16_t* const* inputs;  // [taps][pixels], each at that pixel's first channel
  int taps;
  int pixels;
  int in_channels;
  int out_channels;
  int32_t* acc;    // [pixels][acc_stride]
  int acc_stride;  // out_channels rounded up to 16; what is in the padding does not matter
};

struct RequantizeJob {
  const int32_t* acc;  // [rows][acc_stride]
  int acc_stride;
  int64_t rows;
  int channels;
  const int32_t* multiplier;
  const int32_t* shift;
  int leaky, lo, hi;
  int16_t* out;  // [rows][channels]
};

struct ConvLayer;

void dense_block_scalar(const ConvLayer& layer, const ConvBlock& block);
void depthwise_block_scalar(const ConvLayer& layer, const ConvBlock& block);
void requantize_scalar(const RequantizeJob& job);

// The AVX2 versions take bare pointers to the packed layer: their file is compiled with other
// flags, and inline code of the standard library must not leave it.
void dense_block_avx2(const int16_t* packed_weight, const int32_t* packed_bias,
                      const ConvBlock& block);
void depthwise_block_avx2(const int16_t* packed_weight, const int32_t* packed_bias,
                          const ConvBlock& block);
void requantize_avx2(const RequantizeJob& job);

}  // namespace samebits
