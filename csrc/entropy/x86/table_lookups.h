// Eight lookups in a table, by scalar loads: hardware gathers are slower where this was tried.
//
// Included by kernels of several vector sets. The unnamed namespace gives each its own functions,
// so that none runs another's instructions.
#pragma once

#include <immintrin.h>

#include "entropy/pair_buckets.h"

namespace samebits {
namespace {

inline __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline void store(void* p, __m256i v) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), v);
}

inline __m128 two_buckets(const PairBucket* buckets, uint64_t indices) {
  const __m128i one =
      _mm_loadl_epi64(reinterpret_cast<const __m128i*>(buckets + static_cast<uint32_t>(indices)));
  return _mm_loadh_pi(_mm_castsi128_ps(one),
                      reinterpret_cast<const __m64*>(buckets + (indices >> 32)));
}

// Buckets of the lanes {0, 1, 4, 5} and {2, 3, 6, 7}: shuffles of 32 bits within the halves of a
// vector then bring the parts of all lanes into order.
inline void load_bucket_pairs(const PairBucket* buckets, __m256i index, __m256* a, __m256* b) {
  const __m128i low = _mm256_castsi256_si128(index), high = _mm256_extracti128_si256(index, 1);
  const __m128 b01 = two_buckets(buckets, static_cast<uint64_t>(_mm_cvtsi128_si64(low)));
  const __m128 b23 = two_buckets(buckets, static_cast<uint64_t>(_mm_extract_epi64(low, 1)));
  const __m128 b45 = two_buckets(buckets, static_cast<uint64_t>(_mm_cvtsi128_si64(high)));
  const __m128 b67 = two_buckets(buckets, static_cast<uint64_t>(_mm_extract_epi64(high, 1)));
  *a = _mm256_insertf128_ps(_mm256_castps128_ps256(b01), b45, 1);
  *b = _mm256_insertf128_ps(_mm256_castps128_ps256(b23), b67, 1);
}

inline __m128i four_entries(const uint32_t* entries, __m128i index) {
  const uint64_t i01 = static_cast<uint64_t>(_mm_cvtsi128_si64(index));
  const uint64_t i23 = static_cast<uint64_t>(_mm_extract_epi64(index, 1));
  __m128i v = _mm_cvtsi32_si128(static_cast<int>(entries[static_cast<uint32_t>(i01)]));
  v = _mm_insert_epi32(v, static_cast<int>(entries[i01 >> 32]), 1);
  v = _mm_insert_epi32(v, static_cast<int>(entries[static_cast<uint32_t>(i23)]), 2);
  return _mm_insert_epi32(v, static_cast<int>(entries[i23 >> 32]), 3);
}

inline __m256i eight_entries(const uint32_t* entries, __m256i index) {
  const __m128i low = four_entries(entries, _mm256_castsi256_si128(index));
  const __m128i high = four_entries(entries, _mm256_extracti128_si256(index, 1));
  return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

}  // namespace
}  // namespace samebits
