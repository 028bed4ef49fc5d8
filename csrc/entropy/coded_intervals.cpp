#include "entropy/coded_intervals.h"

#include <bit>

#include "entropy/batch_check.h"
#include "entropy/cost.h"
#include "entropy/leb128.h"

namespace samebits {
namespace {

Interval interval(uint32_t begin, uint32_t end) {
  return {static_cast<uint16_t>(begin), static_cast<uint16_t>(end - 1)};
}

}  // namespace

void CodedIntervals::add(std::span<const int32_t> symbols, std::span<const uint8_t> rows,
                         const ValueRows& values) {
  check_batch(tables_, symbols.size(), rows);
  check_value_rows(values, symbols.size());
  intervals_.reserve(intervals_.size() + symbols.size());
  for (size_t i = 0; i < symbols.size(); ++i) {
    intervals_.push_back(values.has(rows[i]) ? value_interval(values.of(i), values, symbols[i])
                                             : table_interval(rows[i], symbols[i]));
  }
}

Interval CodedIntervals::table_interval(int row_number, int32_t symbol) {
  const CdfTables::Row& row = tables_.row_data()[row_number];
  const uint32_t* c = tables_.bounds() + row.bounds_begin;
  const int64_t entry = int64_t{symbol} - row.min_symbol;
  if (entry >= 0 && entry < row.escape) return interval(c[entry], c[entry + 1]);
  append_leb128(escapes_, escape_value(row.min_symbol, row.escape, symbol));
  return interval(c[row.escape], 1u << kCdfBits);
}

Interval CodedIntervals::value_interval(const uint16_t* c, const ValueRows& values,
                                        int32_t symbol) {
  const int escape = values.entries - 1;
  const int64_t entry = int64_t{symbol} - values.min_symbol;
  if (entry >= 0 && entry < escape) return interval(c[entry], c[entry + 1]);
  append_leb128(escapes_, escape_value(values.min_symbol, static_cast<uint32_t>(escape), symbol));
  return interval(c[escape], 1u << kCdfBits);
}

// The logarithm of the product of all widths, as a mantissa of 32 bits and an exponent.
uint64_t CodedIntervals::bits_q16() const {
  uint64_t mantissa = uint64_t{1} << 31, exponent = 0;  // product = mantissa * 2^(exponent - 31)
  for (const Interval& part : intervals_) {
    mantissa *= uint64_t{part.last} - part.begin + 1;
    const int excess = std::bit_width(mantissa) - 32;
    mantissa >>= excess;
    exponent += static_cast<uint64_t>(excess);
  }
  const uint64_t widths =
      (exponent << 16) + log2_q16(static_cast<uint32_t>(mantissa)) - (uint64_t{31} << 16);
  const uint64_t bits = uint64_t{intervals_.size()} * kCdfBits + 8 * uint64_t{escapes_.size()};
  return (bits << 16) - widths;
}

}  // namespace samebits
