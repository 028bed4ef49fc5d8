// The three steps of a Winograd convolution (winograd_matrices.h), one set of kernels for each
// target: inputs of a tile are transformed, multiplied with transformed weights position by
// position, and the products are transformed back.
//
// Transformed inputs of one position stand as [tiles / 6][chunks][6][16]: six tiles are what the
// registers hold at a time, and a chunk is 16 channels (the last one filled up with zeros), so that
// the multiplication reads memory in order. Products of one position and one group of 16 output
// channels stand as [tiles][16]. The channels of a group are in the order of conv_kernels.h.
#pragma once

#include <cstdint>

#include "nn/winograd_weights.h"

namespace samebits {

inline constexpr int kWinogradStep = 6;
inline constexpr int kWinogradChunk = 16;
inline constexpr int kWinogradGroup = 16;

struct WinogradInputs {
  const int16_t* const* pixels;  // [rows + 2][columns + 2], each at that pixel's first channel
  int channels;
  int center;         // taken off every input
  int16_t* out;       // the tile's first chunk at position 0
  int64_t out_pitch;  // from a position to the next
};

struct WinogradProducts {
  const int16_t* inputs;   // of one position
  const int16_t* weights;  // [groups] of [chunks][8][16][2]: pairs of channels
  int64_t weights_pitch;   // from a group to the next
  int steps;               // tiles / 6
  int chunks;
  int groups;
  int32_t* out;       // [groups] of [tiles][16]
  int64_t out_pitch;  // from a group to the next
};

struct WinogradOutputs {
  const int32_t* products;  // of one group, from position 0
  int64_t products_pitch;   // from a position to the next
  int tiles;
  const int32_t* bias;  // [16]
  // [rows][tiles * columns][16]: row r holds row r of every tile, from left to right.
  int32_t* acc;
};

struct WinogradKernels {
  void (*transform_inputs)(const WinogradInputs&);
  void (*multiply)(const WinogradProducts&);
  void (*transform_outputs)(const WinogradOutputs&);
  int groups;  // as many as multiply does at once best
};

// One set for each tile.
inline constexpr WinogradTile kWinogradTiles[] = {{2, 2}, {2, 3}, {2, 4}, {3, 3}, {3, 4}, {4, 4}};

// The definition by matrices, for tests and for machines without the others.
WinogradKernels winograd_kernels_scalar(WinogradTile tile);
WinogradKernels winograd_kernels_avx2(WinogradTile tile);
WinogradKernels winograd_kernels_avx512(WinogradTile tile);

}  // namespace samebits
