// The kernels of the chosen target.
#pragma once

#include "nn/conv_kernels.h"

namespace samebits {

// Null for scalar. While the target is cuda, what has to be done on the CPU takes the fastest CPU
// target.
const ConvKernels* target_kernels();

}  // namespace samebits
