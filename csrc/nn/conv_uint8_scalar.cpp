// uint8 convolutions from packed weights by plain loops, modulo 2^32.
#include "nn/conv_uint8_kernels.h"

namespace samebits {
namespace {

uint32_t sum_at(const Uint8Block& block, int group, int pixel, int place) {
  const int64_t tap_weights = int64_t{(block.in_channels + 3) / 4} * 64;
  const int8_t* w = block.weight + int64_t{group} * block.taps * tap_weights + place * 4;
  uint32_t sum = static_cast<uint32_t>(block.bias[group * 16 + place]);
  for (int t = 0; t < block.taps; ++t, w += tap_weights) {
    const uint8_t* x = block.inputs[t * block.pixels + pixel];
    for (int i = 0; i < block.in_channels; ++i)
      sum += static_cast<uint32_t>(int32_t{w[i / 4 * 64 + i % 4]} * x[i]);
  }
  return sum;
}

void run(const Uint8Block& block) {
  for (int g = 0; g < block.groups; ++g)
    for (int p = 0; p < block.pixels; ++p)
      for (int place = 0; place < 16; ++place)
        block.acc[(int64_t{g} * block.pixels + p) * 16 + place] =
            static_cast<int32_t>(sum_at(block, g, p, place));
}

}  // namespace

const Uint8Kernel kUint8Scalar{1, run};

}  // namespace samebits
