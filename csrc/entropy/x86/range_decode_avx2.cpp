// AVX2 decoding of 8, 16 or 32 lanes, in groups of 8.
//
// The floating-point quotient only guesses where to look (pair_buckets.h); whether the entry is the
// right one is decided in integers, so no rounding can change a symbol.
#include <immintrin.h>

#include "entropy/range_kernels.h"
#include "entropy/x86/word_shuffles.h"

namespace samebits {
namespace {

constexpr WordSpread kSpread;

inline __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline void store(void* p, __m256i v) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), v);
}

struct State {
  __m256i range, code;
};

// Out of line: the lanes of `mask` were guessed wrongly.
__attribute__((noinline)) State search(const DecodeJob& job, State before, State after,
                                       unsigned mask, const uint8_t* rows, int32_t* symbols) {
  DecodeGroup group;
  store(group.range, before.range);
  store(group.code, before.code);
  store(group.new_range, after.range);
  store(group.new_code, after.code);
  job.search(job.decoder, group, mask, rows, symbols);
  return {load(group.new_range), load(group.new_code)};
}

// floor(range * bound / 2^16), bound < 2^16 in each 32 bits.
inline __m256i scaled(__m256i range, __m256i range_high, __m256i bound) {
  return _mm256_add_epi32(_mm256_mullo_epi32(range_high, bound), _mm256_mulhi_epu16(range, bound));
}

inline __m256i bucket_index(__m256i range, __m256i code, __m256i row, __m256i* t) {
  // Half of each, for AVX2 converts signed integers only.
  const __m256 quotient = _mm256_div_ps(_mm256_cvtepi32_ps(_mm256_srli_epi32(code, 1)),
                                        _mm256_cvtepi32_ps(_mm256_srli_epi32(range, 1)));
  *t = _mm256_cvttps_epi32(_mm256_mul_ps(quotient, _mm256_set1_ps(65536.0f)));
  return _mm256_add_epi32(_mm256_srli_epi32(*t, 8),
                          _mm256_madd_epi16(row, _mm256_set1_epi32(kPairBucketsPerRow)));
}

inline __m128i two_buckets(const PairBucket* buckets, uint64_t indices) {
  const __m128i one =
      _mm_loadl_epi64(reinterpret_cast<const __m128i*>(buckets + static_cast<uint32_t>(indices)));
  return _mm_castps_si128(_mm_loadh_pi(_mm_castsi128_ps(one),
                                       reinterpret_cast<const __m64*>(buckets + (indices >> 32))));
}

// Hardware gathers are slower where this was tried.
inline void load_buckets(const PairBucket* buckets, __m256i index, __m256i* middle_start,
                         __m256i* end_symbol) {
  const __m128i low = _mm256_castsi256_si128(index), high = _mm256_extracti128_si256(index, 1);
  const __m128i b01 = two_buckets(buckets, static_cast<uint64_t>(_mm_cvtsi128_si64(low)));
  const __m128i b23 = two_buckets(buckets, static_cast<uint64_t>(_mm_extract_epi64(low, 1)));
  const __m128i b45 = two_buckets(buckets, static_cast<uint64_t>(_mm_cvtsi128_si64(high)));
  const __m128i b67 = two_buckets(buckets, static_cast<uint64_t>(_mm_extract_epi64(high, 1)));
  const __m256 a =
      _mm256_castsi256_ps(_mm256_inserti128_si256(_mm256_castsi128_si256(b01), b45, 1));
  const __m256 b =
      _mm256_castsi256_ps(_mm256_inserti128_si256(_mm256_castsi128_si256(b23), b67, 1));
  *middle_start = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88));
  *end_symbol = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xDD));
}

// One symbol of 8 lanes.
inline State decode_group(const DecodeJob& job, State lane, const uint8_t* rows, int32_t* symbols,
                          const uint8_t** word) {
  const __m256i low_half = _mm256_set1_epi32(0xFFFF);
  const __m256i row = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(rows)));
  __m256i t, middle_start, end_symbol;
  const __m256i index = bucket_index(lane.range, lane.code, row, &t);
  load_buckets(job.buckets, index, &middle_start, &end_symbol);

  // {end, start} of the entry guessed.
  const __m256i is_first = _mm256_cmpgt_epi32(_mm256_and_si256(middle_start, low_half), t);
  const __m256i second = _mm256_blend_epi16(_mm256_slli_epi32(middle_start, 16), end_symbol, 0x55);
  const __m256i entry = _mm256_blendv_epi8(second, middle_start, is_first);
  const __m256i symbol = _mm256_add_epi32(_mm256_srai_epi32(end_symbol, 16),
                                          _mm256_add_epi32(is_first, _mm256_set1_epi32(1)));
  store(symbols, symbol);

  const __m256i range_high = _mm256_srli_epi32(lane.range, 16);
  const __m256i lo = scaled(lane.range, range_high, _mm256_srli_epi32(entry, 16));
  const __m256i hi = scaled(lane.range, range_high, _mm256_and_si256(entry, low_half));
  State after{_mm256_sub_epi32(hi, lo), _mm256_sub_epi32(lane.code, lo)};

  // lo <= code < hi is the same as code - lo < hi - lo, modulo 2^32.
  const __m256i wrong = _mm256_cmpeq_epi32(_mm256_max_epu32(after.code, after.range), after.code);
  const unsigned wrong_mask = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(wrong)));
  if (__builtin_expect(wrong_mask != 0, 0))
    after = search(job, lane, after, wrong_mask, rows, symbols);

  const __m256i asks =
      _mm256_cmpeq_epi32(_mm256_srli_epi32(after.range, 16), _mm256_setzero_si256());
  const unsigned ask_mask = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(asks)));
  const __m256i words =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(*word)));
  const __m256i word_of_lane = _mm256_shuffle_epi8(words, load(kSpread.pick[ask_mask]));
  const __m256i shift = _mm256_and_si256(asks, _mm256_set1_epi32(16));
  *word += 2 * static_cast<unsigned>(_mm_popcnt_u32(ask_mask));
  return {_mm256_sllv_epi32(after.range, shift),
          _mm256_or_si256(_mm256_sllv_epi32(after.code, shift), word_of_lane)};
}

// The lanes of a step are kept in named variables: in an array they would live in memory.
template <int kGroups>
void decode_steps(DecodeJob& job) {
  constexpr int kLanes = kGroupLanes * kGroups;
  const auto load_group = [&](int group) -> State {
    const int offset = kGroupLanes * (group % kGroups);
    return {load(job.range + offset), load(job.code + offset)};
  };
  State a = load_group(0), b = load_group(1), c = load_group(2), d = load_group(3);
  const uint8_t* rows = job.rows;
  int32_t* symbols = job.symbols;
  const uint8_t* word = job.word;
  size_t steps = job.steps;
  // A step asks for at most one word per lane.
  for (; steps > 0 && job.words_end - word >= 2 * kLanes; --steps) {
    a = decode_group(job, a, rows, symbols, &word);
    if constexpr (kGroups > 1) b = decode_group(job, b, rows + 8, symbols + 8, &word);
    if constexpr (kGroups > 2) {
      c = decode_group(job, c, rows + 16, symbols + 16, &word);
      d = decode_group(job, d, rows + 24, symbols + 24, &word);
    }
    rows += kLanes;
    symbols += kLanes;
  }
  const auto store_group = [&](int group, State lane) {
    if (group >= kGroups) return;
    store(job.range + kGroupLanes * group, lane.range);
    store(job.code + kGroupLanes * group, lane.code);
  };
  store_group(0, a);
  store_group(1, b);
  store_group(2, c);
  store_group(3, d);
  job.rows = rows;
  job.symbols = symbols;
  job.steps = steps;
  job.word = word;
}

}  // namespace

void decode_steps_avx2(DecodeJob& job, int lanes) {
  if (lanes == 32) {
    decode_steps<4>(job);
  } else if (lanes == 16) {
    decode_steps<2>(job);
  } else {
    decode_steps<1>(job);
  }
}

}  // namespace samebits
