// CDF rows for the tests of csrc/entropy: extreme ones and random ones.
#pragma once

#include <algorithm>
#include <set>
#include <vector>

#include "check.h"
#include "entropy/cdf_tables.h"

struct RowList {
  std::vector<uint16_t> starts;
  std::vector<int32_t> row_begin{0};
  std::vector<int32_t> min_symbol;

  void add(const std::vector<uint16_t>& row, int32_t first_symbol) {
    starts.insert(starts.end(), row.begin(), row.end());
    row_begin.push_back(static_cast<int32_t>(starts.size()));
    min_symbol.push_back(first_symbol);
  }
  samebits::CdfTables tables() const { return {starts, row_begin, min_symbol}; }
};

inline std::vector<uint16_t> random_row(Random& random, int entries) {
  std::set<uint16_t> row{0};
  while (static_cast<int>(row.size()) < entries)
    row.insert(static_cast<uint16_t>(random.between(1, 65535)));
  return {row.begin(), row.end()};
}

// Certain and impossible-looking entries at both ends, all entries equal, symbols at the ends of
// int32, and random rows of many sizes.
inline samebits::CdfTables extreme_tables(Random& random) {
  RowList list;
  list.add({0, 65535}, 0);                     // symbol 65535/65536, escape 1/65536
  list.add({0, 1}, 5);                         // symbol 1/65536, escape 65535/65536
  list.add({0, 1, 2, 3}, -1);                  // only the escape is likely
  list.add({0, 65533, 65534, 65535}, -2);      // only the first symbol is likely
  list.add({0, 1, 65534, 65535}, -1);          // only the middle is likely
  list.add({0, 32768}, INT32_MIN);             // one symbol, the smallest
  list.add({0, 30000, 60000}, INT32_MAX - 1);  // the largest symbols
  std::vector<uint16_t> all(65536);
  for (int i = 0; i < 65536; ++i) all[i] = static_cast<uint16_t>(i);
  list.add(all, -32768);  // the most entries a row can have
  for (int entries : {2, 3, 5, 17, 100, 255, 256, 1023, 5000})
    list.add(random_row(random, entries), static_cast<int32_t>(random.between(-1000, 10)));
  return list.tables();
}

// Any symbol of any row; sometimes an escape, often of an extreme value.
inline int32_t random_symbol(Random& random, const samebits::CdfTables& tables, int row) {
  if (random.one_in(8)) return static_cast<int32_t>(random.bits32());
  if (random.one_in(20)) return random.one_in(2) ? INT32_MIN : INT32_MAX;
  const int64_t symbol = tables.min_symbol(row) + random.between(-1, tables.entries(row) - 1);
  return static_cast<int32_t>(std::clamp<int64_t>(symbol, INT32_MIN, INT32_MAX));
}
