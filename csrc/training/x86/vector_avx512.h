// Sixteen floats, for the files compiled with AVX-512. Without external linkage: see kernels.h.
#pragma once

#include <immintrin.h>

namespace samebits::training {
namespace {

struct VectorAvx512 {
  using Vector = __m512;
  static constexpr int kLanes = 16;
  static constexpr int kPanel = 64;  // six rows of four vectors: 24 sums, 4 columns, a factor
  static constexpr int kTileRows = 6;

  static Vector zero() { return _mm512_setzero_ps(); }
  static Vector broadcast(float value) { return _mm512_set1_ps(value); }
  static Vector load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, Vector v) { _mm512_storeu_ps(to, v); }
  static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
  static Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
  static Vector max(Vector a, Vector b) { return _mm512_max_ps(a, b); }
  static Vector where_positive(Vector condition, Vector yes, Vector no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(condition, zero(), _CMP_GT_OQ), no, yes);
  }
};

}  // namespace
}  // namespace samebits::training
