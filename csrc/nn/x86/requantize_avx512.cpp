// AVX-512 requantization, exact for every int32 accumulator, multiplier 0 .. 65535 and shift
// 1 .. 46.
//
// Only intrinsics and plain pointers here: see the note in conv_kernels.h.
#include <immintrin.h>

#include "nn/requantize_pixels.h"
#include "nn/x86/requantize_x86.h"

namespace samebits {
namespace {

constexpr int kOddLanes = 0xAAAA;

__m512i odd_to_64(__m512i v) {
  return _mm512_srli_epi64(v, 32);
}
__m512i even_to_64(__m512i v) {
  return _mm512_srli_epi64(_mm512_slli_epi64(v, 32), 32);
}
// The lower halves of 64-bit lanes.
__m512i join(__m512i even, __m512i odd) {
  return _mm512_mask_blend_epi32(kOddLanes, even, _mm512_slli_epi64(odd, 32));
}
__m512i saturate(__m512i v) {
  return _mm512_max_epi64(_mm512_min_epi64(v, _mm512_set1_epi64(INT32_MAX)),
                          _mm512_set1_epi64(INT32_MIN));
}

struct Avx512 {
  template <bool kShift>
  struct Upper {
    __m512i factor_even, factor_odd;  // vpmuldq reads the even lanes only
    __m512i rounding_even, rounding_odd;
    __m512i more_shift;

    explicit Upper(const GroupScale& scale) {
      factor_even = _mm512_loadu_si512(scale.factor);
      factor_odd = odd_to_64(factor_even);
      more_shift = _mm512_loadu_si512(scale.more_shift);
      const __m512i half = _mm512_set1_epi64(int64_t{1} << 31);
      rounding_even = kShift ? _mm512_sllv_epi64(half, even_to_64(more_shift)) : half;
      rounding_odd = kShift ? _mm512_sllv_epi64(half, odd_to_64(more_shift)) : half;
    }

    __m512i apply(const int32_t* from) const {
      const __m512i acc = _mm512_loadu_si512(from);
      const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(acc, factor_even), rounding_even);
      const __m512i odd =
          _mm512_add_epi64(_mm512_mul_epi32(odd_to_64(acc), factor_odd), rounding_odd);
      const __m512i upper = _mm512_mask_blend_epi32(kOddLanes, odd_to_64(even), odd);
      return kShift ? _mm512_srav_epi32(upper, more_shift) : upper;
    }
  };

  // v in 64 bits, then saturated: beyond int32 the final clamp, even after a leaky shift of 15,
  // gives the same value.
  struct Any {
    __m512i multiplier_even, multiplier_odd;
    __m512i rounding_even, rounding_odd;
    __m512i shift_even, shift_odd;

    static __m512i rounding_of(__m512i shift) {
      const __m512i one = _mm512_set1_epi64(1);
      return _mm512_sllv_epi64(one, _mm512_sub_epi64(shift, one));
    }

    explicit Any(const GroupScale& scale) {
      multiplier_even = _mm512_loadu_si512(scale.multiplier);
      multiplier_odd = odd_to_64(multiplier_even);
      const __m512i shift = _mm512_loadu_si512(scale.shift);
      shift_even = even_to_64(shift);
      shift_odd = odd_to_64(shift);
      rounding_even = rounding_of(shift_even);
      rounding_odd = rounding_of(shift_odd);
    }

    __m512i apply(const int32_t* from) const {
      const __m512i acc = _mm512_loadu_si512(from);
      const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(acc, multiplier_even), rounding_even);
      const __m512i odd =
          _mm512_add_epi64(_mm512_mul_epi32(odd_to_64(acc), multiplier_odd), rounding_odd);
      return join(saturate(_mm512_srav_epi64(even, shift_even)),
                  saturate(_mm512_srav_epi64(odd, shift_odd)));
    }
  };

  // Narrowing saturates to int16 and so does the addition, which no clamp within int16 notices.
  template <bool kLeaky, bool kAdd>
  struct Finish {
    __m128i leaky;
    __m256i lo, hi, add_lo, add_hi;

    explicit Finish(const RequantizeJob& job)
        : leaky(_mm_cvtsi32_si128(job.range.leaky)),
          lo(_mm256_set1_epi16(static_cast<int16_t>(job.range.lo))),
          hi(_mm256_set1_epi16(static_cast<int16_t>(job.range.hi))),
          add_lo(_mm256_set1_epi16(static_cast<int16_t>(job.add_lo))),
          add_hi(_mm256_set1_epi16(static_cast<int16_t>(job.add_hi))) {}

    void store(__m512i v, const int16_t* add, int16_t* out) const {
      if (kLeaky) v = _mm512_max_epi32(v, _mm512_sra_epi32(v, leaky));
      // Quarters 0, 8, 4, 12 to 0, 4, 8, 12.
      __m256i result = _mm256_permute4x64_epi64(_mm512_cvtsepi32_epi16(v), _MM_SHUFFLE(3, 1, 2, 0));
      result = _mm256_max_epi16(_mm256_min_epi16(result, hi), lo);
      if (kAdd) {
        const __m256i other = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(add));
        result = _mm256_adds_epi16(result, other);
        result = _mm256_max_epi16(_mm256_min_epi16(result, add_hi), add_lo);
      }
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), result);
    }
  };
};

}  // namespace

void requantize_avx512(const RequantizeJob& job) {
  requantize_block<Avx512>(job);
}

}  // namespace samebits
