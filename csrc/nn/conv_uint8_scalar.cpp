// uint8 convolutions from packed weights by plain loops, modulo 2^32.
#include "nn/conv_uint8_kernels.h"

namespace samebits {

void uint8_block_scalar(const Uint8Block& block) {
  const int quads = (block.in_channels + 3) / 4;
  for (int p = 0; p < block.pixels; ++p)
    for (int o = 0; o < block.groups * 16; ++o) {
      uint32_t sum = static_cast<uint32_t>(block.bias[o]);
      for (int t = 0; t < block.taps; ++t) {
        const uint8_t* x = block.inputs[t * block.pixels + p];
        const int8_t* w =
            block.weights + ((int64_t{o / 16} * block.taps + t) * quads * 16 + o % 16) * 4;
        for (int i = 0; i < block.in_channels; ++i)
          sum += static_cast<uint32_t>(int32_t{w[i / 4 * 64 + i % 4]} * x[i]);
      }
      block.acc[int64_t{p} * block.groups * 16 + o] = static_cast<int32_t>(sum);
    }
}

}  // namespace samebits
