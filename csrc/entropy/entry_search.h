// Finds the entry of a CDF row that a lane's code stands in, without a division.
//
// arithmetic.md 5 asks for the s with lo(s) <= code < lo(s+1), lo(s) = (range * c[s]) >> 16. A lower
// bound of t = floor(((code + 1) * 2^16 - 1) / range) picks a bucket whose first entry is at most s;
// from there exact comparisons walk up. So the estimate decides how far to walk, never the result.
//
// The lower bound: with k = countl_zero(range), D = range << k has its highest bit set. Let
// i = D >> 20 (12 bits). reciprocals[i - 2048] = floor(2^47 / ((i + 1) << 20)) <= 2^47 / D, so
//     ((code << k) * reciprocal) >> 31  <=  code * 2^16 / range,
// and floor(code * 2^16 / range) <= t. It is below t by at most 2^16 / 2^11 + 3 = 35.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "entropy/cdf_tables.h"

namespace samebits {

inline constexpr std::array<uint16_t, 2048> kReciprocals = [] {
  std::array<uint16_t, 2048> table{};
  for (uint64_t i = 0; i < table.size(); ++i) {
    table[i] = static_cast<uint16_t>((uint64_t{1} << 47) / ((i + 2049) << 20));
  }
  return table;
}();

// code < range, 2^16 <= range.
inline uint32_t lower_bound_of_t(uint32_t code, uint32_t range) {
  const int k = std::countl_zero(range);
  const uint32_t index = ((range << k) >> 20) - 2048;
  return static_cast<uint32_t>((uint64_t{code << k} * kReciprocals[index]) >> 31);
}

inline uint32_t scaled(uint32_t range, uint32_t bound) {
  return static_cast<uint32_t>((uint64_t{range} * bound) >> kCdfBits);
}

// Gives the place in bounds() of c[s]. Ends, since scaled(range, c[n]) = range > code.
inline const uint32_t* find_entry(const CdfTables::Row& row, const uint32_t* bounds,
                                  const uint16_t* buckets, uint32_t code, uint32_t range) {
  const uint32_t bucket = lower_bound_of_t(code, range) >> CdfTables::kBucketShift;
  const uint32_t* c = bounds + row.bounds_begin + buckets[row.bucket_begin + bucket];
  while (scaled(range, c[1]) <= code) ++c;
  return c;
}

}  // namespace samebits
