// AVX-512 encoding of 16 or 32 lanes, 16 in a vector. As range_encode_avx2.cpp, where the steps are
// explained; what is rare is done there, too.
#include <immintrin.h>

#include "entropy/range_kernels.h"
#include "entropy/x86/table_lookups.h"

namespace samebits {
namespace {

constexpr int kWide = 16;  // lanes

struct State {
  __m512i low, range, pending;
};

// The window, ready for use.
struct Lookup {
  const uint32_t* entries;
  __m512i first, width, stride;
};

struct Output {
  uint16_t* word;
  uint8_t* lane;
};

// floor(range * bound / 2^16), bound < 2^16 in each 32 bits.
inline __m512i scaled(__m512i range, __m512i range_high, __m512i bound) {
  return _mm512_add_epi32(_mm512_mullo_epi32(range_high, bound), _mm512_mulhi_epu16(range, bound));
}

inline __m512i load_entries(const Lookup& lookup, const uint8_t* rows, const int32_t* symbols) {
  const __m512i row = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(rows)));
  const __m512i column =
      _mm512_min_epu32(_mm512_sub_epi32(_mm512_loadu_si512(symbols), lookup.first), lookup.width);
  const __m512i index = _mm512_add_epi32(column, _mm512_madd_epi16(row, lookup.stride));
  const __m256i low = eight_entries(lookup.entries, _mm512_castsi512_si256(index));
  const __m256i high = eight_entries(lookup.entries, _mm512_extracti64x4_epi64(index, 1));
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

// Writes the pending words of the lanes that renormalize. They are brought together in a register,
// because stores with a mask are slow.
inline void write_words(__m512i pending, __mmask16 full, __m512i lane_numbers, Output* out) {
  const __m512i words = _mm512_maskz_compress_epi32(full, pending);
  const __m512i lanes = _mm512_maskz_compress_epi32(full, lane_numbers);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out->word), _mm512_cvtepi32_epi16(words));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out->lane), _mm512_cvtepi32_epi8(lanes));
  const unsigned count = static_cast<unsigned>(__builtin_popcount(full));
  out->word += count;
  out->lane += count;
}

// One symbol of 16 lanes, unless it is a rare one.
inline bool encode_group(const Lookup& lookup, State* lane, __m512i lane_numbers,
                         const uint8_t* rows, const int32_t* symbols, Output* out) {
  const __m512i entry = load_entries(lookup, rows, symbols);
  const __m512i range_high = _mm512_srli_epi32(lane->range, 16);
  const __m512i lo =
      scaled(lane->range, range_high, _mm512_and_si512(entry, _mm512_set1_epi32(0xFFFF)));
  const __m512i hi = scaled(lane->range, range_high, _mm512_srli_epi32(entry, 16));
  const __m512i range = _mm512_sub_epi32(hi, lo);
  const __m512i low = _mm512_add_epi32(lane->low, lo);
  const __mmask16 no_carry = _mm512_cmpge_epu32_mask(low, lo);
  const __m512i carried = _mm512_add_epi32(lane->pending, _mm512_set1_epi32(1));
  const __m512i pending = _mm512_mask_mov_epi32(carried, no_carry, lane->pending);
  const __mmask16 rare = _mm512_cmpeq_epi32_mask(range, _mm512_setzero_si512()) |
                         _mm512_cmpgt_epi32_mask(pending, _mm512_set1_epi32(0xFFFF));
  if (__builtin_expect(rare != 0, 0)) return false;

  const __mmask16 full =
      _mm512_cmpeq_epi32_mask(_mm512_srli_epi32(range, 16), _mm512_setzero_si512());
  write_words(pending, full, lane_numbers, out);
  lane->low = _mm512_mask_slli_epi32(low, full, low, 16);
  lane->range = _mm512_mask_slli_epi32(range, full, range, 16);
  lane->pending = _mm512_mask_mov_epi32(pending, full, _mm512_srli_epi32(low, 16));
  return true;
}

inline State load_group(const EncodeJob& job, int first_lane) {
  return {_mm512_loadu_si512(job.low + first_lane), _mm512_loadu_si512(job.range + first_lane),
          _mm512_loadu_si512(job.pending + first_lane)};
}

inline void store_group(const EncodeJob& job, int first_lane, State lane) {
  _mm512_storeu_si512(job.low + first_lane, lane.low);
  _mm512_storeu_si512(job.range + first_lane, lane.range);
  _mm512_storeu_si512(job.pending + first_lane, lane.pending);
}

// Encodes steps until all are done, or until a group that it gives has something rare.
template <int kGroups>
int encode_steps(EncodeJob& job) {
  constexpr int kLanes = kWide * kGroups;
  constexpr int kLast = kWide * (kGroups - 1);
  State a = load_group(job, 0), b = load_group(job, kLast);
  const Lookup lookup{job.window->entries.data(), _mm512_set1_epi32(job.window->first),
                      _mm512_set1_epi32(static_cast<int>(job.window->width)),
                      _mm512_set1_epi32(static_cast<int>(job.window->stride))};
  const __m512i numbers_a = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i numbers_b = _mm512_add_epi32(numbers_a, _mm512_set1_epi32(kWide));
  Output out{job.word, job.word_lane};
  const uint8_t* rows = job.rows;
  const int32_t* symbols = job.symbols;
  size_t steps = job.steps;
  int rare = -1;
  for (; steps > 0; --steps) {
    if (!encode_group(lookup, &a, numbers_a, rows, symbols, &out)) {
      rare = 0;
      break;
    }
    if (kGroups > 1 && !encode_group(lookup, &b, numbers_b, rows + kWide, symbols + kWide, &out)) {
      rare = 1;
      break;
    }
    rows += kLanes;
    symbols += kLanes;
  }
  if (kGroups > 1) store_group(job, kLast, b);
  store_group(job, 0, a);
  job.word = out.word;
  job.word_lane = out.lane;
  job.rows = rows;
  job.symbols = symbols;
  job.steps = steps;
  return rare;
}

}  // namespace

void encode_steps_avx512(EncodeJob& job, int lanes) {
  for (;;) {
    const int rare = lanes == 32 ? encode_steps<2>(job) : encode_steps<1>(job);
    if (rare < 0) return;
    finish_encode_step_avx2(job, rare * (kWide / kGroupLanes), lanes / kGroupLanes);
  }
}

}  // namespace samebits
