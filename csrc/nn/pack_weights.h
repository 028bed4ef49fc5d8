// Weights in the order the vector kernels read them.
#pragma once

#include "nn/conv.h"

namespace samebits {

// Dense:     [O/16][taps][(I+1)/2][16][2], output channel o of group o/16 with input channels 2i,
// 2i+1. Depthwise: [C/16][(taps+1)/2][16][2], taps 2t, 2t+1 of a channel; the 16 channels stand in
// the order
//            0-3, 8-11, 4-7, 12-15, which is what interleaving 16-bit lanes of a 256-bit register
//            gives.
// Channels, inputs and taps that do not exist have weight 0.
PackedConv pack_weights(const ConvLayer& layer);

}  // namespace samebits
