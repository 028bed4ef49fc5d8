// float32 layers with AVX-512.
#include "training/float_elements.h"
#include "training/passes.h"
#include "training/x86/vector_avx512.h"

namespace samebits::training {

const Kernels kAvx512Fp32 = kernels_of<FloatElements<VectorAvx512>>("avx512");

}  // namespace samebits::training
