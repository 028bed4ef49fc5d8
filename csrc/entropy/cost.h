// What symbols cost, in integers: for the choice of lanes, for statistics, and for encoders that
// weigh rate against distortion. Unit: 1/65536 bit ("q16").
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "entropy/cdf_tables.h"

namespace samebits {

// floor(log2(x) * 65536) for x >= 1; exact to about one unit (the mantissa is truncated to 32
// bits).
uint32_t log2_q16(uint32_t x);

// Cost of every entry of every row. An escape costs its entry and the bytes of its value.
class CostTable {
 public:
  // Keeps a reference to `tables`.
  explicit CostTable(const CdfTables& tables);

  // row < rows() is the caller's promise.
  uint32_t symbol_q16(int row, int32_t symbol) const;

  // Sum over a batch; refuses unequal sizes and rows out of range with Error(invalid_argument).
  uint64_t sum_q16(std::span<const int32_t> symbols, std::span<const uint8_t> rows) const;

 private:
  const CdfTables& tables_;
  std::vector<uint32_t> entry_q16_;
};

}  // namespace samebits
