// Dense layers as the tensor-core kernel reads them.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/dense_conv.h"
#include "cuda/interface.h"

namespace samebits {

struct PackedDense {
  DigitKind digits;
  // [steps * 2][tiles][digits][32 lanes][8 bytes]: a step is 64 input channels of a tap; tiles are
  // 8 output channels. A lane's 8 bytes are its two registers of the operand B. Kernel and
  // activations agree on an order of the 32 inputs in a product that suits loading 16-bit values:
  // place 16 h + 4 t + j holds input 16 h + 8 (j / 2) + 2 t + j % 2.
  std::vector<uint8_t> weights;
  std::vector<ChannelScale> scales;  // [tiles * 8]
  int32_t tiles;
  int32_t fast;  // see Activation
};

// `output_of[o]`, if not empty, is the layer's output channel that comes as channel o.
PackedDense pack_dense(const CudaLayer& layer, const std::vector<int32_t>& output_of = {});

// Requantization of a channel; `bias` takes the place of the layer's own.
ChannelScale channel_scale(const CudaLayer& layer, int o, int32_t bias, bool fast);
bool fast_shifts(const CudaLayer& layer);

// A layer from one output channel to the next: r x r positions of C channels, instead of C channels
// of r x r positions (arithmetic.md 2, shuffle).
std::vector<int32_t> shuffled_outputs(int out_channels, int factor);

}  // namespace samebits
