// The integer cost estimate against floating point, and the choice of lanes.
#include <cmath>

#include "entropy/cost.h"
#include "entropy/range_coder.h"
#include "entropy_tables.h"

using namespace samebits;

void log2_is_exact_to_a_unit() {
  const auto check = [](uint32_t x) {
    const double exact = std::log2(static_cast<double>(x)) * 65536;
    const double error = exact - log2_q16(x);
    CHECK(error > -1e-6 && error < 1.001);
  };
  for (uint32_t x = 1; x <= 65536; ++x) check(x);
  Random random(2);
  for (int i = 0; i < 10000; ++i) check(random.bits32() | 1);
  check(UINT32_MAX);
  for (int bit = 0; bit < 32; ++bit) CHECK(log2_q16(1u << bit) == static_cast<uint32_t>(bit) << 16);
}

void costs_of_symbols() {
  RowList list;
  list.add({0, 16384, 49152, 65535}, -1);  // 1/4, 1/2, 1/4 - 1/65536, escape
  list.add({0, 32768}, INT32_MIN);
  const CdfTables tables = list.tables();
  const CostTable cost(tables);
  constexpr uint32_t kBit = 65536;
  CHECK(cost.symbol_q16(0, -1) == 2 * kBit);
  CHECK(cost.symbol_q16(0, 0) == kBit);
  CHECK(cost.symbol_q16(0, 1) > 2 * kBit && cost.symbol_q16(0, 1) < 2 * kBit + 10);
  CHECK(cost.symbol_q16(0, 2) == 24 * kBit);        // u = 0
  CHECK(cost.symbol_q16(0, -2) == 24 * kBit);       // u = 1
  CHECK(cost.symbol_q16(0, 2 + 63) == 24 * kBit);   // u = 126
  CHECK(cost.symbol_q16(0, -2 - 63) == 24 * kBit);  // u = 127
  CHECK(cost.symbol_q16(0, 2 + 64) == 32 * kBit);   // u = 128
  CHECK(cost.symbol_q16(0, INT32_MAX) == 56 * kBit);
  CHECK(cost.symbol_q16(0, INT32_MIN) == 56 * kBit);
  CHECK(cost.symbol_q16(1, INT32_MIN) == kBit);
  CHECK(cost.symbol_q16(1, INT32_MAX) == 41 * kBit);  // u = 2^33 - 4
  const int32_t symbols[] = {0, 2, INT32_MIN};
  const uint8_t rows[] = {0, 0, 1};
  CHECK(cost.sum_q16(symbols, rows) == 26 * kBit);
  const uint8_t bad_rows[] = {0, 2, 1};
  CHECK_FAILS(invalid_argument, "symbol 1 asks for CDF row 2 of 2",
              cost.sum_q16(symbols, bad_rows));
}

void lanes_grow_with_size() {
  CHECK(lanes_for_bytes(0) == 1);
  CHECK(lanes_for_bytes(2999) == 1);
  CHECK(lanes_for_bytes(3000) == 2);
  CHECK(lanes_for_bytes(47999) == 16);
  CHECK(lanes_for_bytes(48000) == 32);
  CHECK(lanes_for_bytes(SIZE_MAX) == 32);
}

int main() {
  log2_is_exact_to_a_unit();
  costs_of_symbols();
  lanes_grow_with_size();
}
