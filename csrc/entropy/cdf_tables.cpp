#include "entropy/cdf_tables.h"

#include <string>
#include <utility>

#include "base/error.h"

namespace samebits {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  fail(ErrorKind::invalid_argument, "CDF tables: " + what);
}

}  // namespace

CdfTables::CdfTables(std::vector<uint16_t> starts, std::vector<int32_t> row_begin,
                     std::vector<int32_t> min_symbol)
    : starts_(std::move(starts)),
      row_begin_(std::move(row_begin)),
      min_symbol_(std::move(min_symbol)) {
  check();
  derive_search();
  window_ = make_encode_window(*this);
}

void CdfTables::check() const {
  const size_t rows = min_symbol_.size();
  if (rows < 1 || rows > kMaxRows) {
    refuse(std::to_string(rows) + " rows; there must be 1 to " + std::to_string(kMaxRows));
  }
  if (row_begin_.size() != rows + 1) {
    refuse("row_begin has " + std::to_string(row_begin_.size()) +
           " values, needs rows + 1 = " + std::to_string(rows + 1));
  }
  if (row_begin_.front() != 0 || row_begin_.back() < 0 ||
      static_cast<size_t>(row_begin_.back()) != starts_.size()) {
    refuse("row_begin must go from 0 to the number of starts, " + std::to_string(starts_.size()));
  }
  for (size_t row = 0; row < rows; ++row) {
    const std::string name = "row " + std::to_string(row);
    const int64_t begin = row_begin_[row];
    const int64_t end = row_begin_[row + 1];
    // Not only the length: an end beyond the starts must be found before it is used.
    if (begin < 0 || end - begin < 2 || static_cast<size_t>(end) > starts_.size()) {
      refuse(name + " is [" + std::to_string(begin) + ", " + std::to_string(end) +
             "); a row needs at least one symbol and the escape");
    }
    if (starts_[begin] != 0) refuse(name + " must start at 0");
    for (int64_t i = begin + 1; i < end; ++i) {
      if (starts_[i] <= starts_[i - 1]) {
        refuse(name + ", entry " + std::to_string(i - 1 - begin) +
               " has no probability: starts must increase");
      }
    }
    if (min_symbol_[row] + (end - begin) - 2 > INT32_MAX) {
      refuse(name + ": its largest symbol is no int32");
    }
  }
}

void CdfTables::derive_search() {
  const int rows = this->rows();
  row_.reserve(rows);
  bounds_.reserve(starts_.size() + rows);
  buckets_.reserve(static_cast<size_t>(rows) * kBucketsPerRow);
  pair_buckets_.reserve(static_cast<size_t>(rows) * kPairBucketsPerRow);
  for (int row = 0; row < rows; ++row) {
    row_.push_back({static_cast<uint32_t>(bounds_.size()), static_cast<uint32_t>(buckets_.size()),
                    min_symbol_[row], static_cast<uint32_t>(entries(row) - 1)});
    bounds_.insert(bounds_.end(), starts_.begin() + row_begin_[row],
                   starts_.begin() + row_begin_[row + 1]);
    bounds_.push_back(1u << kCdfBits);
    const uint32_t* c = bounds_.data() + row_.back().bounds_begin;
    uint32_t entry = 0;
    for (uint32_t bucket = 0; bucket < kBucketsPerRow; ++bucket) {
      while (c[entry + 1] <= bucket << kBucketShift) ++entry;
      buckets_.push_back(static_cast<uint16_t>(entry));
    }
    append_pair_buckets(pair_buckets_, {c, static_cast<size_t>(entries(row)) + 1},
                        min_symbol_[row]);
  }
}

}  // namespace samebits
