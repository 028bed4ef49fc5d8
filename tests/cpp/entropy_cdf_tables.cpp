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

int main() {
  refuses_bad_tables();
  finds_every_entry();
}
