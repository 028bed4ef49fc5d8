// The range coder with rows of single symbols: the same payload as with tables of the same rows,
// round trips, costs, refusals and damaged payloads (meant to run under ASan, too).
#include <algorithm>
#include <vector>

#include "entropy/cost.h"
#include "entropy/range_coder.h"
#include "entropy_tables.h"

using namespace samebits;

namespace {

constexpr int kLaneCounts[] = {1, 2, 4, 8, 16, 32};

// Rows 0 .. 9 of the tables have `entries` entries and begin at the same symbol; 10 to 12 differ.
struct Tables {
  int entries;
  int32_t min_symbol;
  CdfTables cdf;
};

Tables make_tables(Random& random, int entries) {
  RowList list;
  const int32_t min_symbol = static_cast<int32_t>(random.between(-40, 3));
  for (int row = 0; row < 10; ++row) list.add(random_row(random, entries), min_symbol);
  for (int other : {2, 100, 700}) list.add(random_row(random, other), -other / 2);
  return {entries, min_symbol, list.tables()};
}

struct Batch {
  std::vector<int32_t> symbols;
  std::vector<uint8_t> rows;
  std::vector<uint16_t> starts;

  ValueRows values(const Tables& tables) const {
    return {2, 7, tables.entries, tables.min_symbol, starts};
  }
};

// Symbols of any row; where a symbol has a row of its own, that is the tables' row of its number,
// and noise elsewhere.
Batch make_batch(Random& random, const Tables& tables, size_t size) {
  Batch batch;
  const int n = tables.entries;
  for (size_t i = 0; i < size; ++i) {
    const int row = static_cast<int>(random.between(0, tables.cdf.rows() - 1));
    batch.rows.push_back(static_cast<uint8_t>(row));
    batch.symbols.push_back(random_symbol(random, tables.cdf, row));
    const bool own = row >= 2 && row < 7;
    const uint16_t* from = own ? tables.cdf.starts().data() + tables.cdf.row_begin()[row] : nullptr;
    for (int entry = 0; entry < n; ++entry)
      batch.starts.push_back(own ? from[entry] : static_cast<uint16_t>(random.bits32()));
  }
  return batch;
}

std::vector<uint8_t> encode(const Tables& tables, const std::vector<Batch>& batches, int lanes) {
  RangeEncoder encoder(tables.cdf, lanes);
  for (const Batch& batch : batches) {
    CodedIntervals intervals(tables.cdf);
    const size_t half = batch.rows.size() / 2;
    const ValueRows values = batch.values(tables);
    ValueRows first = values, second = values;
    first.starts = values.starts.first(half * values.entries);
    second.starts = values.starts.subspan(half * values.entries);
    const std::span<const int32_t> symbols = batch.symbols;
    const std::span<const uint8_t> rows = batch.rows;
    intervals.add(symbols.first(half), rows.first(half), first);
    intervals.add(symbols.subspan(half), rows.subspan(half), second);
    encoder.encode(intervals);
  }
  return encoder.finish();
}

// In stretches of `stretch` symbols.
void decode(const Tables& tables, const std::vector<Batch>& batches,
            std::span<const uint8_t> payload, size_t stretch,
            std::vector<std::vector<int32_t>>& symbols) {
  const std::vector<uint8_t> exact(payload.begin(), payload.end());
  RangeDecoder decoder(tables.cdf, exact);
  for (const Batch& batch : batches) {
    std::vector<int32_t>& out = symbols.emplace_back(batch.rows.size());
    for (size_t i = 0; i < out.size(); i += stretch) {
      const size_t count = std::min(stretch, out.size() - i);
      ValueRows values = batch.values(tables);
      values.starts = values.starts.subspan(i * values.entries, count * values.entries);
      decoder.decode(std::span(batch.rows).subspan(i, count), values,
                     std::span(out).subspan(i, count));
    }
  }
  decoder.finish();
}

void same_as_with_tables() {
  Random random(21);
  for (int entries : {2, 3, 16, 33, 64}) {
    const Tables tables = make_tables(random, entries);
    const CostTable cost(tables.cdf);
    for (const int lanes : kLaneCounts) {
      std::vector<Batch> batches;
      std::vector<std::vector<int32_t>> expected, found;
      RangeEncoder encoder(tables.cdf, lanes);
      for (size_t size : {0, 1, 7, 33, 400}) {
        batches.push_back(make_batch(random, tables, size));
        const Batch& batch = batches.back();
        encoder.encode(batch.symbols, batch.rows);
        expected.push_back(batch.symbols);
        CodedIntervals intervals(tables.cdf);
        intervals.add(batch.symbols, batch.rows, batch.values(tables));
        // A unit for each logarithm that is rounded.
        const int64_t bits = static_cast<int64_t>(intervals.bits_q16());
        const int64_t sum = static_cast<int64_t>(cost.sum_q16(batch.symbols, batch.rows));
        CHECK(std::abs(sum - bits) <= static_cast<int64_t>(size) + 1);
      }
      const std::vector<uint8_t> payload = encode(tables, batches, lanes);
      CHECK(payload == encoder.finish());
      decode(tables, batches, payload, random.one_in(2) ? 32 : 4096, found);
      CHECK(found == expected);
    }
  }
}

void damaged_payloads() {
  Random random(22);
  const Tables tables = make_tables(random, 16);
  for (const int lanes : {1, 4, 32}) {
    const std::vector<Batch> batches{make_batch(random, tables, 150)};
    const std::vector<uint8_t> payload = encode(tables, batches, lanes);
    int refused = 0, tries = 0;
    const auto attempt = [&](std::span<const uint8_t> bytes) {
      ++tries;
      std::vector<std::vector<int32_t>> symbols;
      try {
        decode(tables, batches, bytes, 64, symbols);
      } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::truncated || error.kind() == ErrorKind::corrupt_stream);
        ++refused;
      }
    };
    for (size_t size = 0; size < payload.size(); ++size) attempt(std::span(payload).first(size));
    for (int n = 0; n < 2000; ++n) {
      std::vector<uint8_t> noise = payload;
      for (uint8_t& byte : noise)
        if (random.one_in(20)) byte = static_cast<uint8_t>(random.bits32());
      attempt(noise);
    }
    CHECK(refused * 2 > tries);
  }
}

void refuses() {
  Random random(23);
  const Tables tables = make_tables(random, 4);
  const std::vector<int32_t> symbols{0, 0};
  const std::vector<uint8_t> rows{3, 0}, bad_rows{3, 13};
  const std::vector<uint16_t> starts{0, 1, 2, 3, 9, 9, 9, 9}, equal{0, 1, 1, 3, 9, 9, 9, 9},
      late{1, 2, 3, 4, 9, 9, 9, 9};
  const auto add = [&](std::span<const uint8_t> row, const ValueRows& values) {
    CodedIntervals(tables.cdf).add(symbols, row, values);
  };
  CHECK_FAILS(invalid_argument, "CDF row 13 of 13", add(bad_rows, {2, 7, 4, 0, starts}));
  CHECK_FAILS(invalid_argument, "1 entries", add(rows, {2, 7, 1, 0, starts}));
  CHECK_FAILS(invalid_argument, "65 entries", add(rows, {2, 7, 65, 0, starts}));
  CHECK_FAILS(invalid_argument, "8 starts", add(rows, {2, 7, 5, 0, starts}));
  CHECK_FAILS(invalid_argument, "no int32", add(rows, {2, 7, 4, INT32_MAX - 1, starts}));
  check_value_starts({2, 7, 4, 0, starts}, rows);
  CHECK_FAILS(invalid_argument, "symbol 0", check_value_starts({2, 7, 4, 0, equal}, rows));
  CHECK_FAILS(invalid_argument, "start at 0", check_value_starts({2, 7, 4, 0, late}, rows));
  const std::vector<uint8_t> payload{0, 0, 0, 0, 0};
  RangeDecoder decoder(tables.cdf, payload);
  std::vector<int32_t> out(2);
  CHECK_FAILS(invalid_argument, "8 starts", decoder.decode(rows, {2, 7, 5, 0, starts}, out));
  CHECK_FAILS(invalid_argument, "row 13", decoder.decode(bad_rows, {2, 7, 4, 0, starts}, out));
}

}  // namespace

int main() {
  same_as_with_tables();
  damaged_payloads();
  refuses();
}
