// A layer's weights as its Winograd convolution reads them (winograd.h).
#pragma once

#include <cstdint>

#include "nn/aligned_vector.h"

namespace samebits {

// automatic: the fastest that is proven exact for the layer. The numbers are rows and columns of a
// tile of outputs, both if there is one.
enum class ConvAlgorithm {
  automatic,
  direct,
  winograd2,
  winograd2x3,
  winograd2x4,
  winograd3,
  winograd3x4,
  winograd4
};

// Outputs of a tile. Wide ones, so that strips of few rows fill them.
struct WinogradTile {
  int rows = 0, columns = 0;

  constexpr int positions() const { return (rows + 2) * (columns + 2); }
  constexpr int outputs() const { return rows * columns; }
  friend constexpr bool operator==(WinogradTile, WinogradTile) = default;
};

inline constexpr int kMaxWinogradPositions = 36;

struct WinogradWeights {
  WinogradTile tile;              // 0 x 0 if the layer has no Winograd convolution
  int center = 0;                 // taken off every input, also off the zeros around the picture
  AlignedVector<int16_t> weight;  // [groups][positions][chunks][8][16][2], see winograd_kernels.h
  AlignedVector<int32_t> bias;    // [groups][16], with what the center takes off
};

}  // namespace samebits
