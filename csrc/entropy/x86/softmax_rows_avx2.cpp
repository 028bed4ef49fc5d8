// Rows of 16 entries, one in a register: the definition of softmax_rows.cpp, equal bit for bit.
#include <immintrin.h>

#include "entropy/softmax_rows.h"

namespace samebits {
namespace {

// Tables of 16 bytes, one in each half of a register.
struct ExpTables {
  __m256i start_low, start_high, slope, octave_low, octave_high;

  ExpTables() {
    alignas(16) uint8_t low[16], high[16], power_low[16], power_high[16];
    for (int i = 0; i < 16; ++i) {
      low[i] = static_cast<uint8_t>(kExpStart[i]);
      high[i] = static_cast<uint8_t>(kExpStart[i] >> 8);
      const int power = 1 << (15 - i);  // shifts by i + 1 where the high half of a product is taken
      power_low[i] = static_cast<uint8_t>(power);
      power_high[i] = static_cast<uint8_t>(power >> 8);
    }
    start_low = both(low);
    start_high = both(high);
    slope = both(kExpSlope);
    octave_low = both(power_low);
    octave_high = both(power_high);
  }
  static __m256i both(const uint8_t* table) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  }
};

// A byte of the index with its highest bit set looks up 0: here the byte above and below the index.
inline __m256i look_up(__m256i low_table, __m256i high_table, __m256i index) {
  const __m256i low = _mm256_or_si256(index, _mm256_set1_epi16(static_cast<short>(0x8000)));
  const __m256i high = _mm256_or_si256(_mm256_slli_epi16(index, 8), _mm256_set1_epi16(0x80));
  return _mm256_or_si256(_mm256_shuffle_epi8(low_table, low),
                         _mm256_shuffle_epi8(high_table, high));
}

// exp2_below of 16 unsigned distances.
inline __m256i exp2_below(const ExpTables& tables, __m256i distance) {
  distance = _mm256_min_epu16(distance, _mm256_set1_epi16(0x0FFF));
  const __m256i line = _mm256_and_si256(_mm256_srli_epi16(distance, 4), _mm256_set1_epi16(15));
  const __m256i along = _mm256_and_si256(distance, _mm256_set1_epi16(15));
  const __m256i slope = _mm256_shuffle_epi8(
      tables.slope, _mm256_or_si256(line, _mm256_set1_epi16(static_cast<short>(0x8000))));
  const __m256i value = _mm256_sub_epi16(look_up(tables.start_low, tables.start_high, line),
                                         _mm256_mullo_epi16(slope, along));
  const __m256i octaves = _mm256_srli_epi16(distance, 8);
  return _mm256_mulhi_epu16(value, look_up(tables.octave_low, tables.octave_high, octaves));
}

// Sums up to and including each of 8.
inline __m256i running_sum(__m256i x) {
  x = _mm256_add_epi32(x, _mm256_slli_si256(x, 4));
  x = _mm256_add_epi32(x, _mm256_slli_si256(x, 8));
  const __m256i first_half = _mm256_permute2x128_si256(x, x, 0x08);
  return _mm256_add_epi32(x, _mm256_shuffle_epi32(first_half, 0xFF));
}

inline __m256i share_of(__m256i before, __m256i share, __m256i entry) {
  return _mm256_add_epi32(_mm256_srli_epi32(_mm256_mullo_epi32(before, share), 16), entry);
}

inline __m256i load(const int16_t* values) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values));
}

inline void softmax_row(const ExpTables& tables, __m256i logit, uint16_t* starts) {
  // 32767 - logit, unsigned: the smallest is the top's.
  const __m256i depth = _mm256_xor_si256(logit, _mm256_set1_epi16(0x7FFF));
  const __m128i least = _mm_minpos_epu16(
      _mm_min_epu16(_mm256_castsi256_si128(depth), _mm256_extracti128_si256(depth, 1)));
  const __m256i value = exp2_below(tables, _mm256_sub_epi16(depth, _mm256_broadcastw_epi16(least)));

  const __m256i low = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(value));
  const __m256i high = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(value, 1));
  const __m256i low_sum = running_sum(low);
  const __m256i high_sum = running_sum(high);
  const __m256i low_total = _mm256_permutevar8x32_epi32(low_sum, _mm256_set1_epi32(7));
  const uint32_t total = static_cast<uint32_t>(_mm256_extract_epi32(low_sum, 7)) +
                         static_cast<uint32_t>(_mm256_extract_epi32(high_sum, 7));
  const uint32_t share = ((65536u - kVectorEntries) << 16) / total;
  const __m256i shares = _mm256_set1_epi32(static_cast<int>(share));
  const __m256i first =
      share_of(_mm256_sub_epi32(low_sum, low), shares, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  const __m256i second = share_of(_mm256_add_epi32(_mm256_sub_epi32(high_sum, high), low_total),
                                  shares, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15));
  const __m256i packed = _mm256_packus_epi32(first, second);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(starts), _mm256_permute4x64_epi64(packed, 0xD8));
}

inline __m256i shifted(__m256i sum, __m256i half, __m128i shift) {
  return _mm256_sra_epi32(_mm256_add_epi32(sum, half), shift);
}

// base + the shapes' sum; sums of 32 bits, of which packing to 16 clamps more than is asked for.
inline __m256i shaped_logits(const ValueShapes& shapes, const int16_t* base,
                             const int16_t* coefficient, __m256i half, __m128i shift) {
  __m256i low = _mm256_setzero_si256(), high = low;  // of entries 0 .. 7 and 8 .. 15
  for (int j = 0; j < shapes.coefficients; j += 2) {
    const int pair = static_cast<uint16_t>(coefficient[j]) |
                     static_cast<int>(static_cast<uint32_t>(coefficient[j + 1]) << 16);
    const __m256i both = _mm256_set1_epi32(pair);
    const int16_t* const shape = shapes.shapes + j * kVectorEntries;
    low = _mm256_add_epi32(low, _mm256_madd_epi16(load(shape), both));
    high = _mm256_add_epi32(high, _mm256_madd_epi16(load(shape + kVectorEntries), both));
  }
  const __m256i packed = _mm256_packs_epi32(shifted(low, half, shift), shifted(high, half, shift));
  const __m256i correction = _mm256_min_epi16(
      _mm256_max_epi16(_mm256_permute4x64_epi64(packed, 0xD8), _mm256_set1_epi16(-kMaxLogit)),
      _mm256_set1_epi16(kMaxLogit - 1));
  return _mm256_add_epi16(load(base), correction);
}

}  // namespace

void softmax_rows_avx2(const int16_t* logits, int64_t count, uint16_t* starts) {
  const ExpTables tables;
  for (int64_t i = 0; i < count * kVectorEntries; i += kVectorEntries)
    softmax_row(tables, load(logits + i), starts + i);
}

void shaped_rows_avx2(const ValueShapes& shapes, const uint8_t* rows, const int16_t* coefficients,
                      int64_t count, uint16_t* starts) {
  constexpr int kPart = 256;
  const ExpTables tables;
  const __m256i half = _mm256_set1_epi32(shapes.shift == 0 ? 0 : 1 << (shapes.shift - 1));
  const __m128i shift = _mm_cvtsi32_si128(shapes.shift);
  const unsigned own_rows = static_cast<unsigned>(shapes.end_row - shapes.first_row);
  uint8_t own[kPart];  // elements that have rows, found without a branch that cannot be predicted
  for (int64_t begin = 0; begin < count; begin += kPart) {
    const int part = count - begin < kPart ? static_cast<int>(count - begin) : kPart;
    int found = 0;
    for (int i = 0; i < part; ++i) {
      own[found] = static_cast<uint8_t>(i);
      found += static_cast<unsigned>(rows[begin + i] - shapes.first_row) < own_rows;
    }
    for (int n = 0; n < found; ++n) {
      const int64_t i = begin + own[n];
      const int16_t* base = shapes.base + (rows[i] - shapes.first_row) * kVectorEntries;
      const int16_t* coefficient = coefficients + i * shapes.coefficients;
      softmax_row(tables, shaped_logits(shapes, base, coefficient, half, shift),
                  starts + i * kVectorEntries);
    }
  }
}

}  // namespace samebits
