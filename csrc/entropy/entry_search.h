// Finds the entry of a CDF row that a lane's code stands in.
//
// t of arithmetic.md 5 chooses a bucket, whose first entry is at most the entry looked for; from
// there code is compared with the entries' upper ends, which the decoder needs anyway. The bucket
// only decides how far to walk, so a lower bound of t would do as well. (One from a table of
// reciprocals, without a division, was slower where it was tried, on x86-64.)
#pragma once

#include <cstdint>

#include "entropy/cdf_tables.h"

namespace samebits {

inline uint32_t scaled(uint32_t range, uint32_t bound) {
  return static_cast<uint32_t>((uint64_t{range} * bound) >> kCdfBits);
}

// The t of arithmetic.md 5.
inline uint32_t target(uint32_t code, uint32_t range) {
  return static_cast<uint32_t>((uint64_t{code} << kCdfBits | 0xFFFF) / range);
}

// Gives the place in bounds() of c[s]. Ends, since code < range = scaled(range, c[n]).
inline const uint32_t* find_entry(const CdfTables::Row& row, const uint32_t* bounds,
                                  const uint16_t* buckets, uint32_t code, uint32_t range) {
  const uint32_t t = target(code, range);
  const uint32_t* c =
      bounds + row.bounds_begin + buckets[row.bucket_begin + (t >> CdfTables::kBucketShift)];
  while (scaled(range, c[1]) <= code) ++c;
  return c;
}

}  // namespace samebits
