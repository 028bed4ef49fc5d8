// The CUDA module as the core sees it: opened at the first question, if a driver is there.
#pragma once

#include "nn/cuda/cuda_conv.h"

namespace samebits {

// True if the module lies beside this library, matches it, and finds a device.
bool cuda_available();

// Error(invalid_argument) with what CUDA says if it fails.
void run_cuda(const CudaConv& conv);

}  // namespace samebits
