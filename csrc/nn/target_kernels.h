// The kernels of the chosen target.
#pragma once

#include "nn/conv_kernels.h"

namespace samebits {

#if defined(SAMEBITS_HAVE_AVX2) || defined(SAMEBITS_HAVE_AVX512) || defined(SAMEBITS_HAVE_NEON)
inline constexpr bool kHaveVectorKernels = true;
#else
inline constexpr bool kHaveVectorKernels = false;
#endif

// Null for scalar. While the target is cuda, what has to be done on the CPU takes the fastest CPU
// target.
const ConvKernels* target_kernels();

}  // namespace samebits
