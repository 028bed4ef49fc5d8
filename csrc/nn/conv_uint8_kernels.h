// The inner kernels of dense uint8 convolutions, on blocks as in conv_kernels.h.
#pragma once

#include <cstdint>

namespace samebits {

struct Uint8Block {
  const uint8_t* const* inputs;  // [taps][pixels], each at that pixel's first channel
  int taps;
  int pixels;
  int in_channels;
  int groups;             // of 16 output channels
  const int8_t* weights;  // [groups][taps][(I+3)/4][16][4]
  const int32_t* bias;    // [groups][16]
  int32_t* acc;           // [pixels][groups * 16]
};

using Uint8Kernel = void (*)(const Uint8Block& block);

void uint8_block_scalar(const Uint8Block& block);
// vpmaddubsw adds pairs of products in int16 and saturates: only for weights whose pairs are safe.
void uint8_block_avx2(const Uint8Block& block);
// vpdpbusd: any weights.
void uint8_block_avx512(const Uint8Block& block);

}  // namespace samebits
