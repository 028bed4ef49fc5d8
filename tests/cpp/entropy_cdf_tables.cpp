// CdfTables: what is refused, and that the search structure finds every entry.
#include "entropy/cdf_tables.h"
#include "entropy/entry_search.h"
#include "entropy_tables.h"

using samebits::CdfTables;

void refuses_bad_tables() {
  const auto fails = [](const char* part, std::vector<uint16_t> starts, std::vector<int32_t> begin,
                        std::vector<int32_t> first) {
    CHECK_FAILS(invalid_argument, part, CdfTables(starts, begin, first));
  };
  fails("0 rows", {}, {0}, {});
  fails("0 rows", {}, {}, {});
  fails("257 rows", std::vector<uint16_t>(514), std::vector<int32_t>(258),
        std::vector<int32_t>(257));
  fails("row_begin has 1 values", {0, 5}, {0}, {0});
  fails("number of starts", {0, 5}, {0, 3}, {0});
  fails("number of starts", {0, 5}, {1, 2}, {0});
  fails("number of starts", {0, 5}, {0, -1}, {0});
  fails("row 0 is [0, 1)", {0}, {0, 1}, {0});
  fails("row 0 is [0, 9)", {0, 5, 0, 5}, {0, 9, 4}, {0, 0});
  fails("row 1 is [9, 4)", {0, 5, 6, 7, 8, 9, 10, 11, 12}, {0, 9, 4, 9}, {0, 0, 0});
  fails("row 1 is [2, 2)", {0, 5}, {0, 2, 2}, {0, 0});
  fails("row 0 must start at 0", {1, 5}, {0, 2}, {0});
  fails("row 0, entry 1 has no probability", {0, 5, 5}, {0, 3}, {0});
  fails("row 1, entry 0 has no probability", {0, 5, 0, 0}, {0, 2, 4}, {0, 0});
  fails("largest symbol", {0, 1, 2, 3}, {0, 4}, {INT32_MAX - 1});
}

// For each range, every code at the ends of every entry.
void finds_every_entry() {
  Random random(1);
  const CdfTables tables = extreme_tables(random);
  for (int n = 0; n < 12; ++n) {
    const uint32_t ranges[] = {1u << 16, (1u << 16) + 1, UINT32_MAX, 1u << 31};
    const uint32_t range =
        n < 4 ? ranges[n] : (1u << 16) | random.bits32() >> random.between(0, 15);
    for (int row = 0; row < tables.rows(); ++row) {
      const CdfTables::Row& r = tables.row_data()[row];
      const uint32_t* const c = tables.bounds() + r.bounds_begin;
      CHECK(c[0] == 0 && c[tables.entries(row)] == 65536);
      for (int entry = 0; entry < tables.entries(row); ++entry) {
        const uint32_t lo = samebits::scaled(range, c[entry]);
        const uint32_t hi = samebits::scaled(range, c[entry + 1]);
        CHECK(lo < hi);
        for (const uint32_t code : {lo, hi - 1}) {
          const uint32_t* const found =
              samebits::find_entry(r, tables.bounds(), tables.buckets(), code, range);
          CHECK(found == c + entry);
        }
      }
    }
  }
}

// An entry of a pair bucket has the bounds and the symbol that its row has, or no width; and the
// most probable pair of a bucket was chosen: all of it where two entries share it.
void pair_buckets_are_entries() {
  Random random(2);
  const CdfTables tables = extreme_tables(random);
  for (int row = 0; row < tables.rows(); ++row) {
    const uint32_t* const c = tables.bounds() + tables.row_data()[row].bounds_begin;
    const uint32_t escape = tables.row_data()[row].escape;
    const samebits::PairBucket* const buckets =
        tables.pair_buckets() + row * samebits::kPairBucketsPerRow;
    const auto check_entry = [&](uint32_t begin, uint32_t end, int symbol) {
      if (begin == end) return;
      const int64_t entry = int64_t{symbol} - tables.min_symbol(row);
      CHECK(entry >= 0 && entry < escape);
      CHECK(c[entry] == begin && c[entry + 1] == end);
    };
    for (uint32_t b = 0; b < 256; ++b) {
      check_entry(buckets[b].start, buckets[b].middle, buckets[b].symbol);
      check_entry(buckets[b].middle, buckets[b].end, buckets[b].symbol + 1);
      uint32_t first = 0;
      while (c[first + 1] <= b << 8) ++first;
      const bool two_share_it = first + 2 <= escape && c[first + 2] >= (b + 1) << 8;
      const int64_t symbol = int64_t{tables.min_symbol(row)} + first;
      if (two_share_it && symbol >= INT16_MIN && symbol < INT16_MAX) {
        CHECK(buckets[b].start <= b << 8 && buckets[b].end >= (b + 1) << 8);
      }
    }
    CHECK(buckets[256].start == buckets[256].middle && buckets[256].middle == buckets[256].end);
  }
}

// A column of the window has the bounds of its symbol in every row, and {0, 0} where there is none.
void window_has_the_bounds(const CdfTables& tables) {
  const samebits::EncodeWindow& window = tables.encode_window();
  CHECK(window.width >= 1 && window.width < window.stride && window.stride / 16 % 2 == 1);
  CHECK(window.entries.size() == static_cast<size_t>(tables.rows()) * window.stride);
  for (int row = 0; row < tables.rows(); ++row) {
    const uint32_t* const c = tables.bounds() + tables.row_data()[row].bounds_begin;
    for (uint32_t column = 0; column < window.stride; ++column) {
      const int64_t symbol = int64_t{window.first} + column;
      const bool known = column < window.width && symbol >= tables.min_symbol(row) &&
                         symbol <= tables.max_symbol(row);
      const int64_t entry = known ? symbol - tables.min_symbol(row) : 0;
      CHECK(window.entries[row * window.stride + column] ==
            (known ? c[entry] | c[entry + 1] << 16 : 0));
    }
  }
}

void encode_windows() {
  Random random(3);
  window_has_the_bounds(extreme_tables(random));
  for (const int32_t first : {INT32_MIN, -3000, -20, 0, 7, 3000, INT32_MAX - 40}) {
    RowList list;
    list.add(random_row(random, 40), first);
    list.add(random_row(random, 2), first + 2);
    window_has_the_bounds(list.tables());
    CHECK(list.tables().encode_window().first == first);
  }
}

int main() {
  refuses_bad_tables();
  finds_every_entry();
  pair_buckets_are_entries();
  encode_windows();
}
