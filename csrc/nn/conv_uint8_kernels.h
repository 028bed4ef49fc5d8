// The inner kernels of dense uint8 convolutions, on blocks and groups as in conv_kernels.h.
#pragma once

#include <cstdint>

namespace samebits {

struct Uint8Block {
  const uint8_t* const* inputs;  // [taps][pixels], each at that pixel's first channel
  int taps;
  int pixels;
  int in_channels;
  const int8_t* weight;  // [groups][taps][(I+3)/4][16][4]
  const int32_t* bias;   // [groups][16]
  int groups;            // of 16 output channels, in group order
  int32_t* acc;          // [groups][pixels][16]
};

struct Uint8Kernel {
  int groups;  // as many at a time are quickest
  void (*run)(const Uint8Block& block);
};

// For comparing.
extern const Uint8Kernel kUint8Scalar;
// vpmaddubsw adds pairs of products in int16 and saturates: only for weights whose pairs are safe
// (conv_uint8.h).
extern const Uint8Kernel kUint8Avx2;
// vpdpbusd: any weights.
extern const Uint8Kernel kUint8Avx512;

}  // namespace samebits
