// ConvKernels::requantize of the x86 targets.
#pragma once

#include "nn/conv_kernels.h"

namespace samebits {

void requantize_avx2(const RequantizeJob& job);
void requantize_avx512(const RequantizeJob& job);

}  // namespace samebits
