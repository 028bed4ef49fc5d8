// CDF rows: the integer probabilities of the range coder. arithmetic.md 5 (rows) and 7 (tables).
//
// A row has n >= 2 entries. Entry s < n-1 is the symbol min_symbol + s, entry n-1 is the escape.
#pragma once

#include <cstdint>
#include <vector>

#include "entropy/encode_window.h"
#include "entropy/pair_buckets.h"

namespace samebits {

inline constexpr int kCdfBits = 16;

class CdfTables {
 public:
  // What the decoder's search needs of a row, in one cache line's reach.
  struct Row {
    uint32_t bounds_begin;  // bounds()[bounds_begin + s] is c[s], for s = 0 .. n
    uint32_t bucket_begin;  // buckets()[bucket_begin + (t >> kBucketShift)] <= the entry of t
    int32_t min_symbol;
    uint32_t escape;  // n - 1
  };

  static constexpr int kBucketShift = 7;
  static constexpr int kBucketsPerRow = 1 << (kCdfBits - kBucketShift);
  static constexpr int kMaxRows = 256;

  // `starts`: all rows one after another, row r at [row_begin[r], row_begin[r+1]).
  // Refuses with Error(invalid_argument) whatever arithmetic.md 5 and 7 do not allow.
  CdfTables(std::vector<uint16_t> starts, std::vector<int32_t> row_begin,
            std::vector<int32_t> min_symbol);

  int rows() const { return static_cast<int>(min_symbol_.size()); }
  int entries(int row) const { return row_begin_[row + 1] - row_begin_[row]; }
  int32_t min_symbol(int row) const { return min_symbol_[row]; }
  int32_t max_symbol(int row) const { return min_symbol_[row] + (entries(row) - 2); }

  const std::vector<uint16_t>& starts() const { return starts_; }
  const std::vector<int32_t>& row_begin() const { return row_begin_; }
  const std::vector<int32_t>& min_symbols() const { return min_symbol_; }

  const Row* row_data() const { return row_.data(); }
  const uint32_t* bounds() const { return bounds_.data(); }
  const uint16_t* buckets() const { return buckets_.data(); }
  // kPairBucketsPerRow for each row.
  const PairBucket* pair_buckets() const { return pair_buckets_.data(); }
  const EncodeWindow& encode_window() const { return window_; }

 private:
  void check() const;
  void derive_search();

  std::vector<uint16_t> starts_;
  std::vector<int32_t> row_begin_;
  std::vector<int32_t> min_symbol_;
  // Derived: the rows again with c[n] = 2^16 behind each, and the first entry of every bucket of t.
  std::vector<Row> row_;
  std::vector<uint32_t> bounds_;
  std::vector<uint16_t> buckets_;
  std::vector<PairBucket> pair_buckets_;
  EncodeWindow window_;
};

}  // namespace samebits
