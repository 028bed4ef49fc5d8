// AVX2 encoding of 8, 16 or 32 lanes, in groups of 8.
#include <immintrin.h>

#include "entropy/range_kernels.h"
#include "entropy/x86/word_shuffles.h"

namespace samebits {
namespace {

constexpr WordPacking kPacking;

inline __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline void store(void* p, __m256i v) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), v);
}

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

// Out of line: lanes of `mask` have no entry yet, or a carry to pass on.
__attribute__((noinline)) State complete(const EncodeJob& job, __m256i range, State after,
                                         unsigned mask, const uint8_t* rows, const int32_t* symbols,
                                         int first_lane, const uint16_t* word) {
  EncodeGroup group;
  store(group.range, range);
  store(group.low, after.low);
  store(group.new_range, after.range);
  store(group.pending, after.pending);
  job.complete(job.encoder, group, mask, rows, symbols, first_lane, word);
  return {load(group.low), load(group.new_range), load(group.pending)};
}

// floor(range * bound / 2^16), bound < 2^16 in each 32 bits.
inline __m256i scaled(__m256i range, __m256i range_high, __m256i bound) {
  return _mm256_add_epi32(_mm256_mullo_epi32(range_high, bound), _mm256_mulhi_epu16(range, bound));
}

inline __m128i four_entries(const uint32_t* entries, __m128i index) {
  const uint64_t a = static_cast<uint64_t>(_mm_cvtsi128_si64(index));
  const uint64_t b = static_cast<uint64_t>(_mm_extract_epi64(index, 1));
  __m128i v = _mm_cvtsi32_si128(static_cast<int>(entries[static_cast<uint32_t>(a)]));
  v = _mm_insert_epi32(v, static_cast<int>(entries[a >> 32]), 1);
  v = _mm_insert_epi32(v, static_cast<int>(entries[static_cast<uint32_t>(b)]), 2);
  return _mm_insert_epi32(v, static_cast<int>(entries[b >> 32]), 3);
}

// Hardware gathers are slower where this was tried.
inline __m256i load_entries(const Lookup& lookup, const uint8_t* rows, const int32_t* symbols) {
  const __m256i row = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(rows)));
  const __m256i column =
      _mm256_min_epu32(_mm256_sub_epi32(load(symbols), lookup.first), lookup.width);
  const __m256i index = _mm256_add_epi32(column, _mm256_madd_epi16(row, lookup.stride));
  const __m128i low = four_entries(lookup.entries, _mm256_castsi256_si128(index));
  const __m128i high = four_entries(lookup.entries, _mm256_extracti128_si256(index, 1));
  return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

// One symbol of 8 lanes.
inline State encode_group(const EncodeJob& job, const Lookup& lookup, State lane, int first_lane,
                          const uint8_t* rows, const int32_t* symbols, Output* out) {
  const __m256i entry = load_entries(lookup, rows, symbols);
  const __m256i range_high = _mm256_srli_epi32(lane.range, 16);
  const __m256i lo =
      scaled(lane.range, range_high, _mm256_and_si256(entry, _mm256_set1_epi32(0xFFFF)));
  const __m256i hi = scaled(lane.range, range_high, _mm256_srli_epi32(entry, 16));
  State after;
  after.range = _mm256_sub_epi32(hi, lo);
  after.low = _mm256_add_epi32(lane.low, lo);
  // low < lo after the sum: a carry. The comparison gives -1 where there is none.
  const __m256i no_carry = _mm256_cmpeq_epi32(_mm256_max_epu32(after.low, lo), after.low);
  after.pending = _mm256_add_epi32(lane.pending, _mm256_add_epi32(no_carry, _mm256_set1_epi32(1)));

  const __m256i rare =
      _mm256_or_si256(_mm256_cmpeq_epi32(after.range, _mm256_setzero_si256()),
                      _mm256_cmpgt_epi32(after.pending, _mm256_set1_epi32(0xFFFF)));
  const unsigned rare_mask = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(rare)));
  if (__builtin_expect(rare_mask != 0, 0)) {
    after = complete(job, lane.range, after, rare_mask, rows, symbols, first_lane, out->word);
  }

  const __m256i full =
      _mm256_cmpeq_epi32(_mm256_srli_epi32(after.range, 16), _mm256_setzero_si256());
  const unsigned full_mask = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(full)));
  const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(after.pending),
                                         _mm256_extracti128_si256(after.pending, 1));
  const __m128i pick = _mm_load_si128(reinterpret_cast<const __m128i*>(kPacking.words[full_mask]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out->word), _mm_shuffle_epi8(words, pick));
  const __m128i lanes =
      _mm_add_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(kPacking.lanes[full_mask])),
                   _mm_set1_epi8(static_cast<char>(first_lane)));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(out->lane), lanes);
  const unsigned count = static_cast<unsigned>(_mm_popcnt_u32(full_mask));
  out->word += count;
  out->lane += count;

  const __m256i shift = _mm256_and_si256(full, _mm256_set1_epi32(16));
  return {_mm256_sllv_epi32(after.low, shift), _mm256_sllv_epi32(after.range, shift),
          _mm256_blendv_epi8(after.pending, _mm256_srli_epi32(after.low, 16), full)};
}

// The lanes of a step are kept in named variables: in an array they would live in memory.
template <int kGroups>
void encode_steps(EncodeJob& job) {
  constexpr int kLanes = kGroupLanes * kGroups;
  const auto load_group = [&](int group) -> State {
    const int offset = kGroupLanes * (group % kGroups);
    return {load(job.low + offset), load(job.range + offset), load(job.pending + offset)};
  };
  State a = load_group(0), b = load_group(1), c = load_group(2), d = load_group(3);
  const Lookup lookup{job.window->entries.data(), _mm256_set1_epi32(job.window->first),
                      _mm256_set1_epi32(static_cast<int>(job.window->width)),
                      _mm256_set1_epi32(static_cast<int>(job.window->stride))};
  Output out{job.word, job.word_lane};
  const uint8_t* rows = job.rows;
  const int32_t* symbols = job.symbols;
  for (size_t step = 0; step < job.steps; ++step) {
    a = encode_group(job, lookup, a, 0, rows, symbols, &out);
    if constexpr (kGroups > 1) b = encode_group(job, lookup, b, 8, rows + 8, symbols + 8, &out);
    if constexpr (kGroups > 2) {
      c = encode_group(job, lookup, c, 16, rows + 16, symbols + 16, &out);
      d = encode_group(job, lookup, d, 24, rows + 24, symbols + 24, &out);
    }
    rows += kLanes;
    symbols += kLanes;
  }
  const auto store_group = [&](int group, State lane) {
    if (group >= kGroups) return;
    store(job.low + kGroupLanes * group, lane.low);
    store(job.range + kGroupLanes * group, lane.range);
    store(job.pending + kGroupLanes * group, lane.pending);
  };
  store_group(0, a);
  store_group(1, b);
  store_group(2, c);
  store_group(3, d);
  job.word = out.word;
  job.word_lane = out.lane;
}

}  // namespace

void encode_steps_avx2(EncodeJob& job, int lanes) {
  if (lanes == 32) {
    encode_steps<4>(job);
  } else if (lanes == 16) {
    encode_steps<2>(job);
  } else {
    encode_steps<1>(job);
  }
}

}  // namespace samebits
