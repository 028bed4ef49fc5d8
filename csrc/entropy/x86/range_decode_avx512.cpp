// AVX-512 decoding of 16 or 32 lanes, 16 in a vector. As range_decode_avx2.cpp, where the steps are
// explained; what is rare is done there, too.
#include <immintrin.h>

#include "entropy/range_kernels.h"
#include "entropy/x86/table_lookups.h"

namespace samebits {
namespace {

constexpr int kWide = 16;  // lanes

struct State {
  __m512i range, code;
};

inline void load_buckets(const PairBucket* buckets, __m512i index, __m512i* middle_start,
                         __m512i* end_symbol) {
  __m256 a_low, b_low, a_high, b_high;
  load_bucket_pairs(buckets, _mm512_castsi512_si256(index), &a_low, &b_low);
  load_bucket_pairs(buckets, _mm512_extracti64x4_epi64(index, 1), &a_high, &b_high);
  const __m512 a = _mm512_insertf32x8(_mm512_castps256_ps512(a_low), a_high, 1);
  const __m512 b = _mm512_insertf32x8(_mm512_castps256_ps512(b_low), b_high, 1);
  *middle_start = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x88));
  *end_symbol = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0xDD));
}

// floor(range * bound / 2^16), bound < 2^16 in each 32 bits.
inline __m512i scaled(__m512i range, __m512i range_high, __m512i bound) {
  return _mm512_add_epi32(_mm512_mullo_epi32(range_high, bound), _mm512_mulhi_epu16(range, bound));
}

inline __m512i refill(__m512i code, __mmask16 asks, const uint8_t** word) {
  const __m512i words =
      _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(*word)));
  *word += 2 * static_cast<unsigned>(__builtin_popcount(asks));
  return _mm512_or_si512(_mm512_mask_slli_epi32(code, asks, code, 16),
                         _mm512_maskz_expand_epi32(asks, words));
}

// One symbol of 16 lanes, unless a guess was wrong.
inline bool decode_group(const PairBucket* buckets, State* lane, const uint8_t* rows,
                         int32_t* symbols, const uint8_t** word) {
  const __m512i low_half = _mm512_set1_epi32(0xFFFF);
  const __m512 quotient =
      _mm512_div_ps(_mm512_cvtepu32_ps(lane->code), _mm512_cvtepu32_ps(lane->range));
  const __m512i t = _mm512_cvttps_epi32(_mm512_mul_ps(quotient, _mm512_set1_ps(65536.0f)));
  const __m512i row = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(rows)));
  const __m512i row_begin = _mm512_madd_epi16(row, _mm512_set1_epi32(kPairBucketsPerRow));
  __m512i middle_start, end_symbol;
  load_buckets(buckets, _mm512_add_epi32(_mm512_srli_epi32(t, 8), row_begin), &middle_start,
               &end_symbol);

  // {end, start} of the entry guessed.
  const __mmask16 is_first = _mm512_cmpgt_epi32_mask(_mm512_and_si512(middle_start, low_half), t);
  const __m512i second =
      _mm512_or_si512(_mm512_slli_epi32(middle_start, 16), _mm512_and_si512(end_symbol, low_half));
  const __m512i entry = _mm512_mask_mov_epi32(second, is_first, middle_start);
  const __m512i one_more =
      _mm512_add_epi32(_mm512_srai_epi32(end_symbol, 16), _mm512_set1_epi32(1));
  const __m512i symbol = _mm512_mask_sub_epi32(one_more, is_first, one_more, _mm512_set1_epi32(1));
  _mm512_storeu_si512(symbols, symbol);

  const __m512i range_high = _mm512_srli_epi32(lane->range, 16);
  const __m512i lo = scaled(lane->range, range_high, _mm512_srli_epi32(entry, 16));
  const __m512i hi = scaled(lane->range, range_high, _mm512_and_si512(entry, low_half));
  const __m512i range = _mm512_sub_epi32(hi, lo);
  const __m512i code = _mm512_sub_epi32(lane->code, lo);
  if (__builtin_expect(_mm512_cmpge_epu32_mask(code, range) != 0, 0)) return false;

  const __mmask16 asks =
      _mm512_cmpeq_epi32_mask(_mm512_srli_epi32(range, 16), _mm512_setzero_si512());
  lane->range = _mm512_mask_slli_epi32(range, asks, range, 16);
  lane->code = refill(code, asks, word);
  return true;
}

// Decodes steps until one cannot begin, or until a guess is wrong in the group that it gives.
template <int kGroups>
int decode_steps(DecodeJob& job) {
  constexpr int kLanes = kWide * kGroups;
  constexpr int kLast = kWide * (kGroups - 1);
  State a{_mm512_loadu_si512(job.range), _mm512_loadu_si512(job.code)};
  State b{_mm512_loadu_si512(job.range + kLast), _mm512_loadu_si512(job.code + kLast)};
  const PairBucket* const buckets = job.buckets;
  const uint8_t* rows = job.rows;
  const uint8_t* word = job.word;
  int32_t* symbols = job.symbols;
  size_t steps = job.steps;
  int wrong = -1;
  // A step asks for at most one word per lane.
  for (; steps > 0 && job.words_end - word >= 2 * kLanes; --steps) {
    if (!decode_group(buckets, &a, rows, symbols, &word)) {
      wrong = 0;
      break;
    }
    if (kGroups > 1 && !decode_group(buckets, &b, rows + kWide, symbols + kWide, &word)) {
      wrong = 1;
      break;
    }
    rows += kLanes;
    symbols += kLanes;
  }
  if (kGroups > 1) {
    _mm512_storeu_si512(job.range + kLast, b.range);
    _mm512_storeu_si512(job.code + kLast, b.code);
  }
  _mm512_storeu_si512(job.range, a.range);
  _mm512_storeu_si512(job.code, a.code);
  job.rows = rows;
  job.word = word;
  job.symbols = symbols;
  job.steps = steps;
  return wrong;
}

}  // namespace

void decode_steps_avx512(DecodeJob& job, int lanes) {
  for (;;) {
    const int wrong = lanes == 32 ? decode_steps<2>(job) : decode_steps<1>(job);
    if (wrong < 0) return;
    finish_decode_step_avx2(job, wrong * (kWide / kGroupLanes), lanes / kGroupLanes);
  }
}

}  // namespace samebits
