// float32 layers with AVX2 and FMA.
#include <immintrin.h>

#include "training/float_elements.h"
#include "training/passes.h"

namespace samebits::training {
namespace {

struct VectorAvx2 {
  using Vector = __m256;
  static constexpr int kLanes = 8;
  static constexpr int kPanel = 16;  // six rows of two vectors: 12 sums, 2 columns, a factor
  static constexpr int kTileRows = 6;

  static Vector zero() { return _mm256_setzero_ps(); }
  static Vector broadcast(float value) { return _mm256_set1_ps(value); }
  static Vector load(const float* from) { return _mm256_loadu_ps(from); }
  static void store(float* to, Vector v) { _mm256_storeu_ps(to, v); }
  static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
  static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
  static Vector max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
  static Vector where_positive(Vector condition, Vector yes, Vector no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(condition, zero(), _CMP_GT_OQ));
  }
};

}  // namespace

const Kernels kAvx2Fp32 = kernels_of<FloatElements<VectorAvx2>>("avx2");

}  // namespace samebits::training
