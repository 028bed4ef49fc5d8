#include "entropy/batch_check.h"

#include <algorithm>
#include <string>

#include "base/error.h"

namespace samebits {

void check_batch(const CdfTables& tables, size_t symbols, std::span<const uint8_t> rows) {
  if (symbols != rows.size()) {
    fail(ErrorKind::invalid_argument,
         std::to_string(symbols) + " symbols with " + std::to_string(rows.size()) + " row numbers");
  }
  if (rows.empty()) return;
  uint8_t largest = 0;  // a loop that compilers turn into SIMD, unlike a search for the first
  for (const uint8_t row : rows) largest = std::max(largest, row);
  if (largest >= tables.rows()) {
    const auto first =
        std::find_if(rows.begin(), rows.end(), [&](uint8_t row) { return row >= tables.rows(); });
    fail(ErrorKind::invalid_argument, "symbol " + std::to_string(first - rows.begin()) +
                                          " asks for CDF row " + std::to_string(*first) + " of " +
                                          std::to_string(tables.rows()));
  }
}

}  // namespace samebits
