// AVX2 requantization, exact for every int32 accumulator, multiplier 0 .. 65535 and shift 1 .. 46.
//
// AVX2 has no arithmetic 64-bit shift, so 2^62 is added before a logical one and 2^(62-s) taken off
// after it. Only the low 32 bits of v are kept, so v must fit in an int32: where multiplier >=
// 2^shift the accumulator is first clamped to +-2^k, which leaves v in int32 and so far out (|v| >=
// 2^30) that the final clamp, even after a leaky shift of 15, gives the same value.
//
// Only intrinsics and plain pointers here: see the note in conv_kernels.h.
#include <immintrin.h>

#include <climits>
#include <cstring>

#include "nn/conv_kernels.h"

namespace samebits {
namespace {

struct Group {
  __m256i acc_lo, acc_hi;
  __m256i multiplier_even, multiplier_odd;
  __m256i rounding_even, rounding_odd;  // 2^(s-1) + 2^62
  __m256i shift_even, shift_odd;
  __m256i offset;  // 2^(62-s) modulo 2^32
};

__m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

__m256i even_to_64(__m256i v) {
  return _mm256_blend_epi32(v, _mm256_setzero_si256(), 0xAA);
}
__m256i odd_to_64(__m256i v) {
  return _mm256_srli_epi64(v, 32);
}

__m256i rounding_of(__m256i shift) {
  const __m256i one = _mm256_set1_epi64x(1);
  return _mm256_add_epi64(_mm256_sllv_epi64(one, _mm256_sub_epi64(shift, one)),
                          _mm256_set1_epi64x(int64_t{1} << 62));
}

// `rest` < 8 channels: the others get multiplier 0.
Group make_group(const int32_t* multipliers, const int32_t* shifts, int rest) {
  int32_t multiplier[8] = {}, shift[8], acc_hi[8];
  for (int i = 0; i < 8; ++i) {
    shift[i] = i < rest ? shifts[i] : 1;
    multiplier[i] = i < rest ? multipliers[i] : 0;
    acc_hi[i] = INT_MAX;
    if ((int64_t{multiplier[i]} >> shift[i]) != 0) {
      const int log2_multiplier = 31 - __builtin_clz(static_cast<unsigned>(multiplier[i]));
      acc_hi[i] = int32_t{1} << (30 + shift[i] - log2_multiplier);
    }
  }
  Group g;
  g.acc_hi = load(acc_hi);
  // -acc_hi, or INT_MIN for INT_MAX.
  const __m256i unlimited = _mm256_cmpeq_epi32(g.acc_hi, _mm256_set1_epi32(INT_MAX));
  g.acc_lo = _mm256_add_epi32(_mm256_sub_epi32(_mm256_setzero_si256(), g.acc_hi), unlimited);
  const __m256i m = load(multiplier), s = load(shift);
  g.multiplier_even = m;  // vpmuldq reads the even lanes only
  g.multiplier_odd = odd_to_64(m);
  g.shift_even = even_to_64(s);
  g.shift_odd = odd_to_64(s);
  g.rounding_even = rounding_of(g.shift_even);
  g.rounding_odd = rounding_of(g.shift_odd);
  g.offset = _mm256_sllv_epi32(_mm256_set1_epi32(1), _mm256_sub_epi32(_mm256_set1_epi32(62), s));
  return g;
}

inline __attribute__((always_inline)) __m256i scale(__m256i acc, const Group& g) {
  acc = _mm256_max_epi32(_mm256_min_epi32(acc, g.acc_hi), g.acc_lo);
  __m256i even = _mm256_mul_epi32(acc, g.multiplier_even);
  __m256i odd = _mm256_mul_epi32(_mm256_srli_epi64(acc, 32), g.multiplier_odd);
  even = _mm256_srlv_epi64(_mm256_add_epi64(even, g.rounding_even), g.shift_even);
  odd = _mm256_srlv_epi64(_mm256_add_epi64(odd, g.rounding_odd), g.shift_odd);
  return _mm256_sub_epi32(_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA), g.offset);
}

// Leaky rectifier and clamp; the pack saturates to int16 first, which no clamp within int16
// notices.
template <bool kLeaky>
inline __attribute__((always_inline)) __m128i finish(__m256i v, __m128i leaky, __m128i lo,
                                                     __m128i hi) {
  if (kLeaky) v = _mm256_max_epi32(v, _mm256_sra_epi32(v, leaky));
  const __m128i packed = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  return _mm_max_epi16(_mm_min_epi16(packed, hi), lo);
}

template <bool kLeaky>
void requantize_rows(const RequantizeJob& job) {
  const __m128i leaky = _mm_cvtsi32_si128(job.leaky);
  const __m128i lo = _mm_set1_epi16(static_cast<int16_t>(job.lo));
  const __m128i hi = _mm_set1_epi16(static_cast<int16_t>(job.hi));
  int c = 0;
  for (; c + 8 <= job.channels; c += 8) {
    const Group g = make_group(job.multiplier + c, job.shift + c, 8);
    for (int64_t row = 0; row < job.rows; ++row) {
      const __m256i acc = load(job.acc + row * job.acc_stride + c);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(job.out + row * job.channels + c),
                       finish<kLeaky>(scale(acc, g), leaky, lo, hi));
    }
  }
  if (c == job.channels) return;
  const int rest = job.channels - c;
  const size_t rest_size = static_cast<size_t>(rest);
  const Group g = make_group(job.multiplier + c, job.shift + c, rest);
  for (int64_t row = 0; row < job.rows; ++row) {
    int32_t acc[8] = {};
    std::memcpy(acc, job.acc + row * job.acc_stride + c, rest_size * sizeof(int32_t));
    int16_t out[8];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                     finish<kLeaky>(scale(load(acc), g), leaky, lo, hi));
    std::memcpy(job.out + row * job.channels + c, out, rest_size * sizeof(int16_t));
  }
}

}  // namespace

void requantize_avx2(const RequantizeJob& job) {
  if (job.leaky >= 0)
    requantize_rows<true>(job);
  else
    requantize_rows<false>(job);
}

}  // namespace samebits
