#include "entropy/encode_window.h"

#include <algorithm>

#include "entropy/cdf_tables.h"

namespace samebits {
namespace {

// 256 rows are then 2 MiB.
constexpr int64_t kWidest = 2047;
constexpr uint32_t kLineEntries = 16;

}  // namespace

EncodeWindow make_encode_window(const CdfTables& tables) {
  int64_t lowest = INT32_MAX, highest = INT32_MIN;
  for (int row = 0; row < tables.rows(); ++row) {
    lowest = std::min<int64_t>(lowest, tables.min_symbol(row));
    highest = std::max<int64_t>(highest, tables.max_symbol(row));
  }
  const int64_t width = std::min(highest - lowest + 1, kWidest);
  const int64_t first = std::clamp(-kWidest / 2, lowest, highest - width + 1);

  EncodeWindow window;
  window.first = static_cast<int32_t>(first);
  window.width = static_cast<uint32_t>(width);
  // An odd number of cache lines spreads one column over all sets.
  window.stride = ((window.width / kLineEntries + 1) | 1) * kLineEntries;
  window.entries.resize(static_cast<size_t>(tables.rows()) * window.stride);
  for (int row = 0; row < tables.rows(); ++row) {
    const uint32_t* const bounds = tables.bounds() + tables.row_data()[row].bounds_begin;
    uint32_t* const line = window.entries.data() + static_cast<size_t>(row) * window.stride;
    const int64_t from = std::max<int64_t>(tables.min_symbol(row), first);
    const int64_t to = std::min<int64_t>(tables.max_symbol(row), first + width - 1);
    for (int64_t symbol = from; symbol <= to; ++symbol) {
      const uint32_t* const c = bounds + (symbol - tables.min_symbol(row));
      line[symbol - first] = c[0] | c[1] << 16;
    }
  }
  return window;
}

}  // namespace samebits
