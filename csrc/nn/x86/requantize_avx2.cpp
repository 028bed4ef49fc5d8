// AVX2 requantization, exact for every int32 accumulator, multiplier 0 .. 65535 and shift 1 .. 46.
//
// Nearly every layer has multiplier < 2^(shift - 1) in all channels. Then v is an upper half of a
// 64-bit product (GroupScale), and no 64-bit shift is needed.
//
// Only intrinsics and plain pointers here: see the note in conv_kernels.h.
#include <immintrin.h>

#include <climits>

#include "nn/requantize_pixels.h"
#include "nn/x86/requantize_x86.h"

namespace samebits {
namespace {

__m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
__m256i even_to_64(__m256i v) {
  return _mm256_blend_epi32(v, _mm256_setzero_si256(), 0xAA);
}
__m256i odd_to_64(__m256i v) {
  return _mm256_srli_epi64(v, 32);
}

struct Values {
  __m256i low, high;  // places 0-7 and 8-15 of a group
};

// A scale of a group from one of eight channels.
template <class Eight>
struct TwoEights {
  explicit TwoEights(const GroupScale& scale) : low(scale, 0), high(scale, 8) {}
  Values apply(const int32_t* acc) const {
    return {low.apply(load(acc)), high.apply(load(acc + 8))};
  }

  Eight low, high;
};

// Eight channels whose v is an upper half.
template <bool kShift>
struct UpperEight {
  __m256i factor_even, factor_odd;  // vpmuldq reads the even lanes only
  __m256i rounding_even, rounding_odd;
  __m256i more_shift;

  UpperEight(const GroupScale& scale, int first) {
    factor_even = load(scale.factor + first);
    factor_odd = odd_to_64(factor_even);
    more_shift = load(scale.more_shift + first);
    const __m256i half = _mm256_set1_epi64x(int64_t{1} << 31);
    rounding_even = kShift ? _mm256_sllv_epi64(half, even_to_64(more_shift)) : half;
    rounding_odd = kShift ? _mm256_sllv_epi64(half, odd_to_64(more_shift)) : half;
  }

  __m256i apply(__m256i acc) const {
    const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(acc, factor_even), rounding_even);
    const __m256i odd =
        _mm256_add_epi64(_mm256_mul_epi32(odd_to_64(acc), factor_odd), rounding_odd);
    const __m256i upper = _mm256_blend_epi32(odd_to_64(even), odd, 0xAA);
    return kShift ? _mm256_srav_epi32(upper, more_shift) : upper;
  }
};

// Eight channels with any scale. AVX2 has no arithmetic 64-bit shift, so 2^62 is added before a
// logical one and 2^(62-s) taken off after it. Only the low 32 bits of v are kept, so v must fit in
// an int32: where multiplier >= 2^shift the accumulator is first clamped to +-2^k, which leaves v
// in int32 and so far out (|v| >= 2^30) that the final clamp, even after a leaky shift of 15, gives
// the same value.
struct AnyEight {
  __m256i acc_lo, acc_hi;
  __m256i multiplier_even, multiplier_odd;
  __m256i rounding_even, rounding_odd;  // 2^(s-1) + 2^62
  __m256i shift_even, shift_odd;
  __m256i offset;  // 2^(62-s) modulo 2^32

  static __m256i rounding_of(__m256i shift) {
    const __m256i one = _mm256_set1_epi64x(1);
    return _mm256_add_epi64(_mm256_sllv_epi64(one, _mm256_sub_epi64(shift, one)),
                            _mm256_set1_epi64x(int64_t{1} << 62));
  }

  AnyEight(const GroupScale& scale, int first) {
    int32_t hi[8];
    for (int i = 0; i < 8; ++i) {
      const int64_t multiplier = scale.multiplier[first + i], shift = scale.shift[first + i];
      hi[i] = INT_MAX;
      if ((multiplier >> shift) != 0) {
        const int log2_multiplier = 31 - __builtin_clz(static_cast<unsigned>(multiplier));
        hi[i] = int32_t{1} << (30 + shift - log2_multiplier);
      }
    }
    acc_hi = load(hi);
    // -acc_hi, or INT_MIN for INT_MAX.
    const __m256i unlimited = _mm256_cmpeq_epi32(acc_hi, _mm256_set1_epi32(INT_MAX));
    acc_lo = _mm256_add_epi32(_mm256_sub_epi32(_mm256_setzero_si256(), acc_hi), unlimited);
    multiplier_even = load(scale.multiplier + first);
    multiplier_odd = odd_to_64(multiplier_even);
    const __m256i shift = load(scale.shift + first);
    shift_even = even_to_64(shift);
    shift_odd = odd_to_64(shift);
    rounding_even = rounding_of(shift_even);
    rounding_odd = rounding_of(shift_odd);
    offset =
        _mm256_sllv_epi32(_mm256_set1_epi32(1), _mm256_sub_epi32(_mm256_set1_epi32(62), shift));
  }

  __m256i apply(__m256i acc) const {
    acc = _mm256_max_epi32(_mm256_min_epi32(acc, acc_hi), acc_lo);
    __m256i even = _mm256_mul_epi32(acc, multiplier_even);
    __m256i odd = _mm256_mul_epi32(odd_to_64(acc), multiplier_odd);
    even = _mm256_srlv_epi64(_mm256_add_epi64(even, rounding_even), shift_even);
    odd = _mm256_srlv_epi64(_mm256_add_epi64(odd, rounding_odd), shift_odd);
    return _mm256_sub_epi32(_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA), offset);
  }
};

struct Avx2 {
  template <bool kShift>
  using Upper = TwoEights<UpperEight<kShift>>;
  using Any = TwoEights<AnyEight>;

  // Packing saturates to int16 and so does the addition, which no clamp within int16 notices;
  // packing also brings the group into natural order.
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

    void store(Values v, const int16_t* add, int16_t* out) const {
      if (kLeaky) {
        v.low = _mm256_max_epi32(v.low, _mm256_sra_epi32(v.low, leaky));
        v.high = _mm256_max_epi32(v.high, _mm256_sra_epi32(v.high, leaky));
      }
      __m256i result = _mm256_packs_epi32(v.low, v.high);
      result = _mm256_max_epi16(_mm256_min_epi16(result, hi), lo);
      if (kAdd) {
        result = _mm256_adds_epi16(result, load(add));
        result = _mm256_max_epi16(_mm256_min_epi16(result, add_hi), add_lo);
      }
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), result);
    }
  };
};

}  // namespace

void requantize_avx2(const RequantizeJob& job) {
  requantize_block<Avx2>(job);
}

}  // namespace samebits
