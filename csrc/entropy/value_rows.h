// Rows that belong to single symbols: a probability per value (arithmetic.md 9).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace samebits {

inline constexpr int kMaxValueEntries = 64;

// In a batch with these, a symbol whose row number is in [first_row, end_row) does not take that
// row of the tables. It has a row of its own: its entries, the last one the escape, start at
// starts[i * entries] for the i-th symbol of the batch. What stands there for the other symbols
// does not matter.
struct ValueRows {
  int first_row = 0;
  int end_row = 0;
  int entries = 2;
  int32_t min_symbol = 0;
  std::span<const uint16_t> starts;

  bool has(uint8_t row) const { return row >= first_row && row < end_row; }
  const uint16_t* of(size_t symbol) const { return starts.data() + symbol * entries; }
};

// Refuses sizes that do not fit together, and more or fewer entries than 2 .. kMaxValueEntries,
// with Error(invalid_argument). The starts are the caller's promise.
void check_value_rows(const ValueRows& values, size_t symbols);

// Refuses with Error(invalid_argument) starts that are no rows (arithmetic.md 5), where a symbol
// has them: for rows that come from outside.
void check_value_starts(const ValueRows& values, std::span<const uint8_t> rows);

}  // namespace samebits
