// A layer's weights as its Winograd convolution reads them (winograd.h).
#pragma once

#include <cstdint>

#include "nn/aligned_vector.h"

namespace samebits {

// automatic: the fastest that is proven exact for the layer.
enum class ConvAlgorithm { automatic, direct, winograd2, winograd4 };

struct WinogradWeights {
  int tile = 0;                   // 2 or 4; 0 if the layer has no Winograd convolution
  int center = 0;                 // taken off every input, also off the zeros around the picture
  CacheLineVector<int16_t> weight;  // [groups][positions][chunks][8][16][2], see winograd_kernels.h
  CacheLineVector<int32_t> bias;    // [groups][16], with what the center takes off
};

}  // namespace samebits
