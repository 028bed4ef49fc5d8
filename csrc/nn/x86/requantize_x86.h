// Requantization of the x86 targets, each in a file of its own: a 64-bit multiply inlined beside a
// tile makes gcc 12 spill the tile's sums.
#pragma once

#include "nn/conv_kernels.h"

namespace samebits {

void requantize_avx2(const RequantizeJob& job);

}  // namespace samebits
