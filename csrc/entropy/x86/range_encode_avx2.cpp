// AVX2 encoding of 8, 16 or 32 lanes, in groups of 8.
#include <immintrin.h>

#include "entropy/range_kernels.h"
#include "entropy/x86/table_lookups.h"
#include "entropy/x86/word_shuffles.h"

namespace samebits {
namespace {

constexpr WordPacking kPacking;

struct State {
  __m256i low, range, pending;
};

// The window, ready for use.
struct Lookup {
  const uint32_t* entries;
  __m256i first, width, stride;
};

struct Output {
  uint16_t* word;
  uint8_t* lane;
};

// floor(range * bound / 2^16), bound < 2^16 in each 32 bits.
inline __m256i scaled(__m256i range, __m256i range_high, __m256i bound) {
  return _mm256_add_epi32(_mm256_mullo_epi32(range_high, bound), _mm256_mulhi_epu16(range, bound));
}

inline __m256i load_entries(const Lookup& lookup, const uint8_t* rows, const int32_t* symbols) {
  const __m256i row = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(rows)));
  const __m256i column =
      _mm256_min_epu32(_mm256_sub_epi32(load(symbols), lookup.first), lookup.width);
  const __m256i index = _mm256_add_epi32(column, _mm256_madd_epi16(row, lookup.stride));
  return eight_entries(lookup.entries, index);
}

// Narrows the intervals, and gives the mask of the lanes that cannot go on like this: no entry was
// found, or a carry goes beyond the pending word.
inline unsigned narrow(State lane, __m256i entry, State* after) {
  const __m256i range_high = _mm256_srli_epi32(lane.range, 16);
  const __m256i lo =
      scaled(lane.range, range_high, _mm256_and_si256(entry, _mm256_set1_epi32(0xFFFF)));
  const __m256i hi = scaled(lane.range, range_high, _mm256_srli_epi32(entry, 16));
  after->range = _mm256_sub_epi32(hi, lo);
  after->low = _mm256_add_epi32(lane.low, lo);
  // A carry if the sum is below lo. The comparison gives -1 where there is none.
  const __m256i no_carry = _mm256_cmpeq_epi32(_mm256_max_epu32(after->low, lo), after->low);
  after->pending = _mm256_add_epi32(lane.pending, _mm256_add_epi32(no_carry, _mm256_set1_epi32(1)));
  const __m256i rare =
      _mm256_or_si256(_mm256_cmpeq_epi32(after->range, _mm256_setzero_si256()),
                      _mm256_cmpgt_epi32(after->pending, _mm256_set1_epi32(0xFFFF)));
  return static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(rare)));
}

// Writes the pending words of the lanes that renormalize.
inline State renormalize(State lane, int first_lane, Output* out) {
  const __m256i full =
      _mm256_cmpeq_epi32(_mm256_srli_epi32(lane.range, 16), _mm256_setzero_si256());
  const unsigned mask = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(full)));
  const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(lane.pending),
                                         _mm256_extracti128_si256(lane.pending, 1));
  const __m128i pick = _mm_load_si128(reinterpret_cast<const __m128i*>(kPacking.words[mask]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out->word), _mm_shuffle_epi8(words, pick));
  const __m128i lanes =
      _mm_add_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(kPacking.lanes[mask])),
                   _mm_set1_epi8(static_cast<char>(first_lane)));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(out->lane), lanes);
  const unsigned count = static_cast<unsigned>(_mm_popcnt_u32(mask));
  out->word += count;
  out->lane += count;
  const __m256i shift = _mm256_and_si256(full, _mm256_set1_epi32(16));
  return {_mm256_sllv_epi32(lane.low, shift), _mm256_sllv_epi32(lane.range, shift),
          _mm256_blendv_epi8(lane.pending, _mm256_srli_epi32(lane.low, 16), full)};
}

// One symbol of 8 lanes, unless it is a rare one.
inline bool encode_group(const Lookup& lookup, State* lane, int first_lane, const uint8_t* rows,
                         const int32_t* symbols, Output* out) {
  State after;
  if (__builtin_expect(narrow(*lane, load_entries(lookup, rows, symbols), &after) != 0, 0)) {
    return false;
  }
  *lane = renormalize(after, first_lane, out);
  return true;
}

inline State load_group(const EncodeJob& job, int group) {
  const int i = kGroupLanes * group;
  return {load(job.low + i), load(job.range + i), load(job.pending + i)};
}

inline void store_group(const EncodeJob& job, int group, State lane) {
  const int i = kGroupLanes * group;
  store(job.low + i, lane.low);
  store(job.range + i, lane.range);
  store(job.pending + i, lane.pending);
}

inline Lookup lookup_of(const EncodeWindow& window) {
  return {window.entries.data(), _mm256_set1_epi32(window.first),
          _mm256_set1_epi32(static_cast<int>(window.width)),
          _mm256_set1_epi32(static_cast<int>(window.stride))};
}

// Encodes steps until all are done, or until a group that it gives has something rare. Lanes are in
// named variables; in an array they would live in memory.
template <int kGroups>
int encode_steps(EncodeJob& job) {
  constexpr int kLanes = kGroupLanes * kGroups;
  State a = load_group(job, 0), b = load_group(job, 1 % kGroups), c = load_group(job, 2 % kGroups),
        d = load_group(job, 3 % kGroups);
  const Lookup lookup = lookup_of(*job.window);
  Output out{job.word, job.word_lane};
  const uint8_t* rows = job.rows;
  const int32_t* symbols = job.symbols;
  size_t steps = job.steps;
  int rare = -1;
  for (; steps > 0; --steps) {
    if (!encode_group(lookup, &a, 0, rows, symbols, &out)) {
      rare = 0;
      break;
    }
    if (kGroups > 1 && !encode_group(lookup, &b, 8, rows + 8, symbols + 8, &out)) {
      rare = 1;
      break;
    }
    if (kGroups > 2 && !encode_group(lookup, &c, 16, rows + 16, symbols + 16, &out)) {
      rare = 2;
      break;
    }
    if (kGroups > 2 && !encode_group(lookup, &d, 24, rows + 24, symbols + 24, &out)) {
      rare = 3;
      break;
    }
    rows += kLanes;
    symbols += kLanes;
  }
  store_group(job, 0, a);
  if (kGroups > 1) store_group(job, 1, b);
  if (kGroups > 2) store_group(job, 2, c);
  if (kGroups > 2) store_group(job, 3, d);
  job.word = out.word;
  job.word_lane = out.lane;
  job.rows = rows;
  job.symbols = symbols;
  job.steps = steps;
  return rare;
}

}  // namespace

// The rest of a step from the group on that has something rare. The lanes are in memory here, and
// no function is called while they are in registers.
void finish_encode_step_avx2(EncodeJob& job, int first_group, int groups) {
  const Lookup lookup = lookup_of(*job.window);
  Output out{job.word, job.word_lane};
  for (int group = first_group; group < groups; ++group) {
    const int i = kGroupLanes * group;
    const State lane = load_group(job, group);
    State after;
    const unsigned rare = narrow(lane, load_entries(lookup, job.rows + i, job.symbols + i), &after);
    if (rare != 0) {
      EncodeGroup memory;
      store(memory.range, lane.range);
      store(memory.low, after.low);
      store(memory.new_range, after.range);
      store(memory.pending, after.pending);
      job.complete(job.encoder, memory, rare, job.rows + i, job.symbols + i, i, out.word);
      after = {load(memory.low), load(memory.new_range), load(memory.pending)};
    }
    store_group(job, group, renormalize(after, i, &out));
  }
  job.word = out.word;
  job.word_lane = out.lane;
  job.rows += kGroupLanes * groups;
  job.symbols += kGroupLanes * groups;
  --job.steps;
}

void encode_steps_avx2(EncodeJob& job, int lanes) {
  for (;;) {
    const int rare = lanes == 32   ? encode_steps<4>(job)
                     : lanes == 16 ? encode_steps<2>(job)
                                   : encode_steps<1>(job);
    if (rare < 0) return;
    finish_encode_step_avx2(job, rare, lanes / kGroupLanes);
  }
}

}  // namespace samebits
