// What a vector decoder looks up: for each row and each 2^8 values of t, two neighboring entries.
//
// An estimate of t names the bucket, and comparing it with `middle` one of the two entries. That is
// a guess, right nearly always: the decoder tests lo <= code < hi and searches the row where the
// guess failed. An entry that needs more than the guess (an escape, or a symbol that is no int16)
// stands here with no width, so that the same test finds it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace samebits {

struct PairBucket {
  uint16_t middle;  // end of the first entry, start of the second
  uint16_t start;   // of the first
  uint16_t end;     // of the second
  int16_t symbol;   // of the first; the second is one more
};

inline constexpr int kPairBucketsPerRow = 257;  // one behind the last, for an estimate of 2^16

// Appends the buckets of one row. `bounds` are c[0] .. c[n].
void append_pair_buckets(std::vector<PairBucket>& buckets, std::span<const uint32_t> bounds,
                         int32_t min_symbol);

}  // namespace samebits
