// ConvKernels::requantize of the ARM target.
#pragma once

#include "nn/conv_kernels.h"

namespace samebits {

void requantize_neon(const RequantizeJob& job);

}  // namespace samebits
