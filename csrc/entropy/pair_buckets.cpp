#include "entropy/pair_buckets.h"

#include <algorithm>

namespace samebits {
namespace {

constexpr uint32_t kBucketSize = 256;

// What of [begin, end) the entry covers; nothing if its symbol cannot stand in a bucket.
uint32_t covered(std::span<const uint32_t> bounds, int32_t min_symbol, size_t entry, uint32_t begin,
                 uint32_t end) {
  const int64_t symbol = int64_t{min_symbol} + static_cast<int64_t>(entry);
  if (entry + 2 >= bounds.size() || symbol < INT16_MIN || symbol > INT16_MAX) return 0;
  const uint32_t from = std::max(bounds[entry], begin);
  const uint32_t to = std::min(bounds[entry + 1], end);
  return from < to ? to - from : 0;
}

}  // namespace

void append_pair_buckets(std::vector<PairBucket>& buckets, std::span<const uint32_t> bounds,
                         int32_t min_symbol) {
  size_t entry = 0;  // the one that the bucket's first value is in
  for (uint32_t begin = 0; begin < 1u << 16; begin += kBucketSize) {
    const uint32_t end = begin + kBucketSize;
    while (bounds[entry + 1] <= begin) ++entry;
    uint32_t most = 0, two = covered(bounds, min_symbol, entry, begin, end);
    PairBucket bucket{};
    for (size_t first = entry; first + 1 < bounds.size() && bounds[first] < end; ++first) {
      const uint32_t one = two;
      two = covered(bounds, min_symbol, first + 1, begin, end);
      if (one == 0 || one + two <= most) continue;
      most = one + two;
      bucket.start = static_cast<uint16_t>(bounds[first]);
      bucket.middle = static_cast<uint16_t>(bounds[first + 1]);
      // A neighbor beyond the bucket belongs to the pair as well: the estimate may be off by one.
      const bool has_second = covered(bounds, min_symbol, first + 1, 0, 1u << 16) != 0;
      bucket.end = has_second ? static_cast<uint16_t>(bounds[first + 2]) : bucket.middle;
      bucket.symbol = static_cast<int16_t>(min_symbol + static_cast<int32_t>(first));
    }
    buckets.push_back(bucket);
  }
  buckets.push_back({});
}

}  // namespace samebits
