// Symbols as an encoder sees them once their rows are known: parts of 2^16, and the values of
// escapes. Rows of single symbols are eight times as large, so an encoder keeps these instead.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "entropy/cdf_tables.h"
#include "entropy/value_rows.h"

namespace samebits {

// The entry [begin, last + 1) of a row.
struct Interval {
  uint16_t begin;
  uint16_t last;
};

class CodedIntervals {
 public:
  // Keeps a reference to `tables`.
  explicit CodedIntervals(const CdfTables& tables) : tables_(tables) {}

  // The next symbols of a batch. Error(invalid_argument) for sizes that do not fit together and
  // for row numbers that the tables do not have.
  void add(std::span<const int32_t> symbols, std::span<const uint8_t> rows,
           const ValueRows& values);

  std::span<const Interval> intervals() const { return intervals_; }
  // The values of the escapes as the payload's escape section has them.
  std::span<const uint8_t> escapes() const { return escapes_; }

  // What the symbols cost, in 1/65536 bit (cost.h), escapes included.
  uint64_t bits_q16() const;

 private:
  Interval table_interval(int row, int32_t symbol);
  Interval value_interval(const uint16_t* starts, const ValueRows& values, int32_t symbol);

  const CdfTables& tables_;
  std::vector<Interval> intervals_;
  std::vector<uint8_t> escapes_;
};

}  // namespace samebits
