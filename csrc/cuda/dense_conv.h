// Dense convolutions, 1 x 1 and 3 x 3, stride 1 and 2, as matrix products on the tensor cores.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/dense_digits.h"
#include "cuda/requantize_channel.h"

namespace samebits {

inline constexpr int kMaxSegments = 8;
inline constexpr int kTileChannels = 64;  // of a block, in and out
// Channels of an activation are stored in multiples of this, so that rows begin at 16 bytes.
inline constexpr int kPitchUnit = 8;

__host__ __device__ constexpr int round_up(int value, int unit) {
  return (value + unit - 1) / unit * unit;
}

// Some positions of a picture, row by row: of even rows (0) and of odd rows (1) the columns
// first, first + stride, ..., `count` of them.
struct Lattice {
  int32_t first[2], stride[2], count[2];
};

// One matrix product: which positions, which output channels, from where to where.
struct ConvSegment {
  const int16_t* x;         // [height][width][in_pitch]
  const int16_t* residual;  // added to the output and clamped, or null; laid out as the output
  int16_t* out;             // [positions][out_pitch], channel `begin` first
  int32_t height, width;
  Lattice at;
  int32_t positions;
  int32_t begin, count;  // output channels
  int32_t out_pitch;
  int32_t whole_rows;  // rows of `out` may be written 8 channels at a time
  int32_t first_row;   // added to the row of every position
};

struct DenseConv {
  const uint8_t* weights;      // pack_dense
  const ChannelScale* scales;  // [tiles * 8]
  const int32_t* bias_table;   // more bias, [qualities][out_channels], or null
  const int32_t* quality;
  int32_t* sums;  // instead of activations: [positions][out_channels] of segment 0, or null
  int32_t in_pitch, in_channels, out_channels;
  int32_t kernel, stride;
  int32_t tiles;    // of 8 output channels, in `weights`
  int32_t shuffle;  // r: output channel (dy r + dx) C + c goes to pixel (y r + dy, x r + dx)
  int32_t add_lo, add_hi;
  Activation activation;
  ConvSegment segment[kMaxSegments];
};

// Tiles of 8 output channels that the packed weights of a layer have: a block may begin at any of
// them and reads eight.
constexpr int packed_tiles(int out_channels) {
  return (out_channels + 7) / 8 + kTileChannels / 8 - 1;
}

// All positions of a picture.
constexpr Lattice whole_picture(int width) {
  return {{0, 0}, {1, 1}, {width, width}};
}

// Allows the kernels their shared memory; once for each device.
cudaError_t prepare_dense_conv();

cudaError_t run_dense_conv(const DenseConv& conv, int segments, DigitKind digits,
                           cudaStream_t stream);

}  // namespace samebits
