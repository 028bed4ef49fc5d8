#include "entropy/cost.h"

#include <bit>

#include "entropy/batch_check.h"

namespace samebits {
namespace {

// Bits of an escape's value: 8 per byte of LEB128.
uint32_t escape_value_q16(uint64_t u) {
  uint32_t bytes = 1;
  while (u >>= 7) ++bytes;
  return bytes * 8 << 16;
}

}  // namespace

// The fraction by squaring: m in [1, 2) as 32 bits of fraction; where m^2 >= 2 the next bit is 1.
uint32_t log2_q16(uint32_t x) {
  const int whole = std::bit_width(x) - 1;
  uint64_t m = (uint64_t{x} << 31) >> whole;  // [2^31, 2^32)
  uint32_t result = static_cast<uint32_t>(whole);
  for (int bit = 0; bit < 16; ++bit) {
    m = (m * m) >> 31;
    const uint32_t one = static_cast<uint32_t>(m >> 32);
    m >>= one;
    result = result << 1 | one;
  }
  return result;
}

CostTable::CostTable(const CdfTables& tables) : tables_(tables) {
  entry_q16_.reserve(tables.starts().size() + tables.rows());
  for (int row = 0; row < tables.rows(); ++row) {
    const uint32_t* c = tables.bounds() + tables.row_data()[row].bounds_begin;
    for (int entry = 0; entry < tables.entries(row); ++entry) {
      entry_q16_.push_back((uint32_t{kCdfBits} << 16) - log2_q16(c[entry + 1] - c[entry]));
    }
    entry_q16_.push_back(0);  // keeps the places of bounds()
  }
}

uint32_t CostTable::symbol_q16(int row_number, int32_t symbol) const {
  const CdfTables::Row& row = tables_.row_data()[row_number];
  const uint32_t* costs = entry_q16_.data() + row.bounds_begin;
  const int64_t entry = int64_t{symbol} - row.min_symbol;
  if (entry >= 0 && entry < row.escape) return costs[entry];
  const int64_t u = entry < 0 ? 2 * (-entry - 1) + 1 : 2 * (entry - row.escape);
  return costs[row.escape] + escape_value_q16(static_cast<uint64_t>(u));
}

uint64_t CostTable::sum_q16(std::span<const int32_t> symbols, std::span<const uint8_t> rows) const {
  check_batch(tables_, symbols.size(), rows);
  uint64_t sum = 0;
  for (size_t i = 0; i < symbols.size(); ++i) sum += symbol_q16(rows[i], symbols[i]);
  return sum;
}

}  // namespace samebits
