// AVX2 decoding of 8, 16 or 32 lanes, in groups of 8.
//
// The floating-point quotient only guesses where to look (pair_buckets.h); whether the entry is the
// right one is decided in integers, so no rounding can change a symbol.
#include <immintrin.h>

#include "entropy/range_kernels.h"
#include "entropy/x86/table_lookups.h"
#include "entropy/x86/word_shuffles.h"

namespace samebits {
namespace {

constexpr WordSpread kSpread;

struct State {
  __m256i range, code;
};

// Where the symbols of a group may be found.
struct Guess {
  __m256i index;  // of buckets
  __m256i t;      // an estimate
};

// Two ways to divide: the first is less work, the second has its result sooner.
enum class Quotient { divided, by_reciprocal };

template <Quotient kQuotient>
inline Guess guess(State lane, const uint8_t* rows) {
  // Half of each, for AVX2 converts signed integers only.
  const __m256 code = _mm256_cvtepi32_ps(_mm256_srli_epi32(lane.code, 1));
  const __m256 range = _mm256_cvtepi32_ps(_mm256_srli_epi32(lane.range, 1));
  __m256 quotient;
  if constexpr (kQuotient == Quotient::divided) {
    quotient = _mm256_mul_ps(_mm256_div_ps(code, range), _mm256_set1_ps(65536.0f));
  } else {
    const __m256 rough = _mm256_rcp_ps(range);
    const __m256 correction = _mm256_fnmadd_ps(range, rough, _mm256_set1_ps(2.0f));
    const __m256 scaled_code = _mm256_mul_ps(code, _mm256_set1_ps(65536.0f));
    quotient = _mm256_mul_ps(_mm256_mul_ps(scaled_code, rough), correction);
  }
  const __m256i t = _mm256_cvttps_epi32(quotient);
  const __m256i row = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(rows)));
  const __m256i row_begin = _mm256_madd_epi16(row, _mm256_set1_epi32(kPairBucketsPerRow));
  return {_mm256_add_epi32(_mm256_srli_epi32(t, 8), row_begin), t};
}

inline void load_buckets(const PairBucket* buckets, __m256i index, __m256i* middle_start,
                         __m256i* end_symbol) {
  __m256 a, b;
  load_bucket_pairs(buckets, index, &a, &b);
  *middle_start = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88));
  *end_symbol = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xDD));
}

// floor(range * bound / 2^16), bound < 2^16 in each 32 bits.
inline __m256i scaled(__m256i range, __m256i range_high, __m256i bound) {
  return _mm256_add_epi32(_mm256_mullo_epi32(range_high, bound), _mm256_mulhi_epu16(range, bound));
}

// Takes the guessed entries, writes their symbols, and gives the mask of the wrong ones.
inline unsigned take_entries(const PairBucket* buckets, const Guess& guess, State lane,
                             State* after, int32_t* symbols) {
  const __m256i low_half = _mm256_set1_epi32(0xFFFF);
  __m256i middle_start, end_symbol;
  load_buckets(buckets, guess.index, &middle_start, &end_symbol);

  // {end, start} of the entry guessed.
  const __m256i is_first = _mm256_cmpgt_epi32(_mm256_and_si256(middle_start, low_half), guess.t);
  const __m256i second = _mm256_blend_epi16(_mm256_slli_epi32(middle_start, 16), end_symbol, 0x55);
  const __m256i entry = _mm256_blendv_epi8(second, middle_start, is_first);
  const __m256i symbol = _mm256_add_epi32(_mm256_srai_epi32(end_symbol, 16),
                                          _mm256_add_epi32(is_first, _mm256_set1_epi32(1)));
  store(symbols, symbol);

  const __m256i range_high = _mm256_srli_epi32(lane.range, 16);
  const __m256i lo = scaled(lane.range, range_high, _mm256_srli_epi32(entry, 16));
  const __m256i hi = scaled(lane.range, range_high, _mm256_and_si256(entry, low_half));
  after->range = _mm256_sub_epi32(hi, lo);
  after->code = _mm256_sub_epi32(lane.code, lo);

  // lo <= code < hi is the same as code - lo < hi - lo, modulo 2^32.
  const __m256i wrong =
      _mm256_cmpeq_epi32(_mm256_max_epu32(after->code, after->range), after->code);
  return static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(wrong)));
}

inline State refill(State lane, const uint8_t** word) {
  const __m256i asks =
      _mm256_cmpeq_epi32(_mm256_srli_epi32(lane.range, 16), _mm256_setzero_si256());
  const unsigned mask = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(asks)));
  const __m256i words =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(*word)));
  const __m256i word_of_lane = _mm256_shuffle_epi8(words, load(kSpread.pick[mask]));
  const __m256i shift = _mm256_and_si256(asks, _mm256_set1_epi32(16));
  *word += 2 * static_cast<unsigned>(_mm_popcnt_u32(mask));
  return {_mm256_sllv_epi32(lane.range, shift),
          _mm256_or_si256(_mm256_sllv_epi32(lane.code, shift), word_of_lane)};
}

// One symbol of 8 lanes, unless a guess was wrong.
inline bool decode_group(const PairBucket* buckets, const Guess& guess, State* lane,
                         int32_t* symbols, const uint8_t** word) {
  State after;
  if (__builtin_expect(take_entries(buckets, guess, *lane, &after, symbols) != 0, 0)) return false;
  *lane = refill(after, word);
  return true;
}

inline State load_group(const DecodeJob& job, int group) {
  return {load(job.range + kGroupLanes * group), load(job.code + kGroupLanes * group)};
}

inline void store_group(const DecodeJob& job, int group, State lane) {
  store(job.range + kGroupLanes * group, lane.range);
  store(job.code + kGroupLanes * group, lane.code);
}

// A step asks for at most one word per lane.
inline bool may_step(const DecodeJob& job, const uint8_t* word, size_t steps, int lanes) {
  return steps > 0 && job.words_end - word >= 2 * lanes;
}

// These decode steps until one cannot begin, or until a guess is wrong in the group that they give.
// Lanes are in named variables; in an array they would live in memory.
int decode_steps_of_32(DecodeJob& job) {
  State a = load_group(job, 0), b = load_group(job, 1), c = load_group(job, 2),
        d = load_group(job, 3);
  const PairBucket* const buckets = job.buckets;
  const uint8_t* rows = job.rows;
  const uint8_t* word = job.word;
  int32_t* symbols = job.symbols;
  size_t steps = job.steps;
  int wrong = -1;
  if (!may_step(job, word, steps, 32)) return wrong;
  // Half a step before it is used, each guess has the other groups' work to hide its latency.
  constexpr auto kWay = Quotient::divided;
  Guess guess_a = guess<kWay>(a, rows), guess_b = guess<kWay>(b, rows + 8);
  while (may_step(job, word, steps, 32)) {
    const uint8_t* const next_rows = steps > 1 ? rows + 32 : rows;
    if (!decode_group(buckets, guess_a, &a, symbols, &word)) {
      wrong = 0;
      break;
    }
    const Guess guess_c = guess<kWay>(c, rows + 16);
    if (!decode_group(buckets, guess_b, &b, symbols + 8, &word)) {
      wrong = 1;
      break;
    }
    const Guess guess_d = guess<kWay>(d, rows + 24);
    if (!decode_group(buckets, guess_c, &c, symbols + 16, &word)) {
      wrong = 2;
      break;
    }
    guess_a = guess<kWay>(a, next_rows);
    if (!decode_group(buckets, guess_d, &d, symbols + 24, &word)) {
      wrong = 3;
      break;
    }
    guess_b = guess<kWay>(b, next_rows + 8);
    rows += 32;
    symbols += 32;
    --steps;
  }
  store_group(job, 0, a);
  store_group(job, 1, b);
  store_group(job, 2, c);
  store_group(job, 3, d);
  job.rows = rows;
  job.word = word;
  job.symbols = symbols;
  job.steps = steps;
  return wrong;
}

// 8 or 16 lanes. Too few to hide the latency of a symbol.
template <int kGroups>
int decode_steps(DecodeJob& job) {
  constexpr int kLanes = kGroupLanes * kGroups;
  State a = load_group(job, 0), b = load_group(job, kGroups - 1);
  const PairBucket* const buckets = job.buckets;
  const uint8_t* rows = job.rows;
  const uint8_t* word = job.word;
  int32_t* symbols = job.symbols;
  size_t steps = job.steps;
  int wrong = -1;
  while (may_step(job, word, steps, kLanes)) {
    constexpr auto kWay = Quotient::by_reciprocal;
    const Guess guess_a = guess<kWay>(a, rows);
    const Guess guess_b = kGroups > 1 ? guess<kWay>(b, rows + 8) : guess_a;
    if (!decode_group(buckets, guess_a, &a, symbols, &word)) {
      wrong = 0;
      break;
    }
    if (kGroups > 1 && !decode_group(buckets, guess_b, &b, symbols + 8, &word)) {
      wrong = 1;
      break;
    }
    rows += kLanes;
    symbols += kLanes;
    --steps;
  }
  store_group(job, 0, a);
  if (kGroups > 1) store_group(job, 1, b);
  job.rows = rows;
  job.word = word;
  job.symbols = symbols;
  job.steps = steps;
  return wrong;
}

}  // namespace

// The rest of a step from the group on whose guess was wrong. The lanes are in memory here, and no
// function is called while they are in registers.
void finish_decode_step_avx2(DecodeJob& job, int first_group, int groups) {
  for (int i = kGroupLanes * first_group; i < kGroupLanes * groups; i += kGroupLanes) {
    const State lane{load(job.range + i), load(job.code + i)};
    State after;
    const Guess guessed = guess<Quotient::divided>(lane, job.rows + i);
    const unsigned wrong = take_entries(job.buckets, guessed, lane, &after, job.symbols + i);
    if (wrong != 0) {
      DecodeGroup group;
      store(group.range, lane.range);
      store(group.code, lane.code);
      store(group.new_range, after.range);
      store(group.new_code, after.code);
      job.search(job.decoder, group, wrong, job.rows + i, job.symbols + i);
      after = {load(group.new_range), load(group.new_code)};
    }
    after = refill(after, &job.word);
    store(job.range + i, after.range);
    store(job.code + i, after.code);
  }
  job.rows += kGroupLanes * groups;
  job.symbols += kGroupLanes * groups;
  --job.steps;
}

void decode_steps_avx2(DecodeJob& job, int lanes) {
  for (;;) {
    const int wrong = lanes == 32   ? decode_steps_of_32(job)
                      : lanes == 16 ? decode_steps<2>(job)
                                    : decode_steps<1>(job);
    if (wrong < 0) return;
    finish_decode_step_avx2(job, wrong, lanes / kGroupLanes);
  }
}

}  // namespace samebits
