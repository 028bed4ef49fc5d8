#include "entropy/value_rows.h"

#include <string>

#include "base/error.h"

namespace samebits {

void check_value_rows(const ValueRows& values, size_t symbols) {
  if (values.entries < 2 || values.entries > kMaxValueEntries) {
    fail(ErrorKind::invalid_argument, "rows of single symbols have " +
                                          std::to_string(values.entries) + " entries, must have " +
                                          "2 to " + std::to_string(kMaxValueEntries));
  }
  if (int64_t{values.min_symbol} + values.entries - 2 > INT32_MAX) {
    fail(ErrorKind::invalid_argument, "rows of single symbols: the largest symbol is no int32");
  }
  if (values.starts.size() != symbols * values.entries) {
    fail(ErrorKind::invalid_argument,
         std::to_string(symbols) + " symbols with " + std::to_string(values.starts.size()) +
             " starts of their own, must be " + std::to_string(values.entries) + " a symbol");
  }
}

void check_value_starts(const ValueRows& values, std::span<const uint8_t> rows) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!values.has(rows[i])) continue;
    const uint16_t* const c = values.of(i);
    bool good = c[0] == 0;
    for (int entry = 1; entry < values.entries; ++entry) good &= c[entry] > c[entry - 1];
    if (good) continue;
    fail(ErrorKind::invalid_argument,
         "the row of symbol " + std::to_string(i) + " must start at 0 and increase strictly");
  }
}

}  // namespace samebits
