// One convolution with operands on the host: the "cuda" target of samebits.kernels.
#pragma once

#include "cuda/interface.h"

namespace samebits {

// Throws CudaFailure.
void run_single_conv(const CudaConv& conv);

}  // namespace samebits
