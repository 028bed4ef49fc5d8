// Range coder: round trips, refusals, carries, and damaged payloads (meant to run under ASan, too).
#include "entropy/cost.h"
#include "entropy/range_coder.h"
#include "entropy_tables.h"

using namespace samebits;

namespace {

constexpr int kLaneCounts[] = {1, 2, 4, 8, 16, 32};

struct Coded {
  std::vector<std::vector<int32_t>> symbols;  // by batch
  std::vector<std::vector<uint8_t>> rows;

  void add_batch(Random& random, const CdfTables& tables, size_t size) {
    auto& batch_symbols = symbols.emplace_back();
    auto& batch_rows = rows.emplace_back();
    for (size_t i = 0; i < size; ++i) {
      batch_rows.push_back(static_cast<uint8_t>(random.between(0, tables.rows() - 1)));
      batch_symbols.push_back(random_symbol(random, tables, batch_rows.back()));
    }
  }
  std::vector<uint8_t> encode(const CdfTables& tables, int lanes) const {
    RangeEncoder encoder(tables, lanes);
    for (size_t b = 0; b < rows.size(); ++b) encoder.encode(symbols[b], rows[b]);
    return encoder.finish();
  }
  // Decodes a payload with these rows; throws what the decoder throws.
  std::vector<std::vector<int32_t>> decode(const CdfTables& tables,
                                           std::span<const uint8_t> payload) const {
    // A copy of exactly this size, so that ASan sees a read beyond it.
    const std::vector<uint8_t> exact(payload.begin(), payload.end());
    RangeDecoder decoder(tables, exact);
    std::vector<std::vector<int32_t>> decoded;
    for (const auto& batch : rows) {
      decoded.emplace_back(batch.size());
      decoder.decode(batch, decoded.back());
    }
    decoder.finish();
    return decoded;
  }
};

void round_trips() {
  Random random(3);
  const CdfTables tables = extreme_tables(random);
  const CostTable cost(tables);
  for (const int lanes : kLaneCounts) {
    // Sizes around multiples of every group and lane count; empty batches in between.
    for (const std::vector<size_t>& sizes : std::vector<std::vector<size_t>>{
             {}, {0}, {1}, {0, 1, 0}, {7, 8, 9}, {31, 32, 33, 1}, {63, 0, 64, 65}, {5000, 3}}) {
      Coded coded;
      uint64_t bits_q16 = 0;
      for (const size_t size : sizes) {
        coded.add_batch(random, tables, size);
        bits_q16 += cost.sum_q16(coded.symbols.back(), coded.rows.back());
      }
      const auto payload = coded.encode(tables, lanes);
      CHECK(coded.decode(tables, payload) == coded.symbols);
      // Head and end mark, at most 4 bytes a lane, and the rounding of ranges.
      CHECK(payload.size() <= (bits_q16 * 1001 / 1000 >> 19) + 8 + 4 * lanes);
    }
  }
}

// Bytes that tests/python/reference_range_coder.py gave: the same on every machine, for ever.
void known_payload() {
  RowList list;
  list.add({0, 16384, 49152, 65535}, -1);
  list.add({0, 100, 65000}, 3);
  const CdfTables tables = list.tables();
  Coded coded;
  coded.symbols = {{0, 1, -1, 0, 7, 3, 4}, {0, -1, -1, 3, -2000, 1, 0, 0, 1, 4, 4, 3}};
  coded.rows = {{0, 0, 0, 0, 0, 1, 1}, {0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1}};
  const std::vector<uint8_t> expected{0x19, 0x0A, 0xA5, 0x1F, 0xFF, 0x5F, 0xEA, 0xEB,
                                      0xFF, 0xCF, 0xFC, 0xC0, 0x00, 0x95, 0x00, 0x90};
  CHECK(coded.encode(tables, 2) == expected);
  CHECK(coded.decode(tables, expected) == coded.symbols);
}

// Nothing to code is one byte: the zero words of all lanes are dropped.
void empty_payload() {
  Random random(4);
  const CdfTables tables = extreme_tables(random);
  for (const int lanes : kLaneCounts) {
    const auto payload = Coded{}.encode(tables, lanes);
    CHECK(payload.size() == 1 && 1 << payload[0] == lanes);
    CHECK(Coded{}.decode(tables, payload).empty());
  }
}

// Words are 0 for thousands of certain symbols; no more than 2 for each lane may be dropped.
void long_zero_runs() {
  Random random(5);
  const CdfTables tables = extreme_tables(random);
  for (const int lanes : kLaneCounts) {
    Coded coded;
    coded.rows = {std::vector<uint8_t>(1000, 2)};
    coded.symbols = {std::vector<int32_t>(1000, -1)};  // entry 0 of 1/65536: 1000 words of 0
    const auto payload = coded.encode(tables, lanes);
    CHECK(payload.size() == 1 + 2 * 1000);
    CHECK(coded.decode(tables, payload) == coded.symbols);
  }
}

// Symbols that keep a lane's interval around a point with a long run of 0xFFFF words below it and
// of zero words above: an encoder without carries through runs cannot code both sides of it. They
// are found by decoding words that end in such a run; later random symbols choose the side.
void carries_through_long_runs() {
  Random random(6);
  RowList list;
  for (int entries : {3, 9, 40}) list.add(random_row(random, entries), -1);
  const CdfTables tables = list.tables();
  int below = 0, above = 0;
  for (int n = 0; n < 60; ++n) {
    constexpr int kWords = 300;
    std::vector<uint8_t> payload;  // escapes of u = 0, then the words 7FFF FFFF FFFF ...
    append_leb128(payload, 5000 * 8);
    payload.resize(payload.size() + 5000, 0);
    payload.insert(payload.end(), {0xFF, 0x7F});
    payload.resize(payload.size() + 2 * (kWords - 1), 0xFF);
    RangeDecoder decoder(tables, payload);
    Coded coded;
    coded.rows = {{}};
    coded.symbols = {{}};
    const CostTable cost(tables);
    for (uint64_t bits_q16 = 0; bits_q16 >> 16 < 16 * (kWords - 3);) {
      const uint8_t row = static_cast<uint8_t>(random.between(0, 2));
      int32_t symbol = 0;
      decoder.decode({&row, 1}, {&symbol, 1});
      coded.rows[0].push_back(row);
      coded.symbols[0].push_back(symbol);
      // An escape's value is no part of the words.
      bits_q16 += cost.symbol_q16(row, symbol) - (symbol > tables.max_symbol(row) ? 8 << 16 : 0);
    }
    coded.add_batch(random, tables, 20);
    const auto again = coded.encode(tables, 1);
    CHECK(coded.decode(tables, again) == coded.symbols);
    int run_of_ones = 0, run_of_zeros = 0, ones = 0, zeros = 0;
    const size_t words = 2 * (kWords - 10);  // less than there are after all escapes
    for (const uint8_t byte : std::span(again).last(words)) {
      ones = byte == 0xFF ? ones + 1 : 0;
      zeros = byte == 0 ? zeros + 1 : 0;
      run_of_ones = std::max(run_of_ones, ones);
      run_of_zeros = std::max(run_of_zeros, zeros);
    }
    below += run_of_ones > kWords;
    above += run_of_zeros > kWords;
  }
  CHECK(below >= 5);
  CHECK(above >= 5);
}

// Whatever happens to a payload, decoding ends in symbols or in Error. Most damage is found without
// a checksum (here about 70 to 80 %: damage to a nearly certain symbol often changes nothing else).
void damaged_payloads() {
  Random random(7);
  const CdfTables tables = extreme_tables(random);
  for (const int lanes : {1, 4, 32}) {
    Coded coded;
    coded.add_batch(random, tables, 100);
    coded.add_batch(random, tables, 61);
    const auto payload = coded.encode(tables, lanes);
    int tries = 0, refused = 0;
    const auto attempt = [&](std::span<const uint8_t> bytes) {
      ++tries;
      try {
        coded.decode(tables, bytes);
      } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::truncated || error.kind() == ErrorKind::corrupt_stream);
        ++refused;
      }
    };
    for (size_t size = 0; size < payload.size(); ++size) attempt(std::span(payload).first(size));
    for (size_t bit = 0; bit < 8 * payload.size(); ++bit) {
      auto flipped = payload;
      flipped[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      attempt(flipped);
    }
    for (int n = 0; n < 2000; ++n) {
      auto noise = payload;
      for (uint8_t& byte : noise)
        if (random.one_in(10)) byte = static_cast<uint8_t>(random.bits32());
      attempt(noise);
    }
    CHECK(refused * 2 > tries);
  }
}

void refuses() {
  RowList list;
  list.add({0, 32768}, 0);          // 0 or an escape
  list.add({0, 32768}, INT32_MAX);  // escapes lie below
  const CdfTables tables = list.tables();
  for (const int lanes : {-1, 0, 3, 33, 64})
    CHECK_FAILS(invalid_argument, "lanes", RangeEncoder(tables, lanes));

  RangeEncoder encoder(tables, 1);
  const std::vector<int32_t> one{0};
  const std::vector<uint8_t> good{0}, bad{2};
  CHECK_FAILS(invalid_argument, "CDF row 2 of 2", encoder.encode(one, bad));
  CHECK_FAILS(invalid_argument, "1 symbols with 0 row", encoder.encode(one, {}));

  const auto decode = [&](std::vector<uint8_t> payload, std::vector<uint8_t> rows = {}) {
    Coded coded;
    coded.rows = {rows};
    coded.decode(tables, payload);
  };
  CHECK_FAILS(truncated, "payload ends after 0 bytes", decode({}));
  CHECK_FAILS(truncated, "payload ends after 1 bytes", decode({0x80}));
  CHECK_FAILS(corrupt_stream, "superfluous", decode({0x80, 0}));
  CHECK_FAILS(corrupt_stream, "more than 5", decode({0x80, 0x80, 0x80, 0x80, 0x80, 1}));
  CHECK_FAILS(corrupt_stream, "2^6", decode({6}));
  CHECK_FAILS(corrupt_stream, "2^7", decode({7}));
  CHECK_FAILS(truncated, "escape section has 2 bytes, only 1", decode({16, 0}));
  CHECK_FAILS(truncated, "escape section has 4294967295", decode({0xF8, 0xFF, 0xFF, 0xFF, 0x7F}));
  CHECK_FAILS(truncated, "odd", decode({0, 0}));
  CHECK_FAILS(corrupt_stream, "lane 0 starts", decode({0, 0xFF, 0xFF, 0xFF, 0xFF}));
  CHECK_FAILS(corrupt_stream, "lane 1 starts", decode({1, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF}));
  CHECK_FAILS(corrupt_stream, "end mark", decode({0, 0xFF, 0x7F}));
  CHECK_FAILS(corrupt_stream, "1 words follow", decode({0, 0, 0, 0, 0, 0, 0}));
  CHECK_FAILS(corrupt_stream, "1 bytes of the escape", decode({8, 0}));
  CHECK_FAILS(truncated, "words are not enough", decode({0}, std::vector<uint8_t>(100, 0)));
  // code = 2^32 - 2 is the last of the escape.
  CHECK_FAILS(truncated, "escape section", decode({0, 0xFF, 0xFF, 0xFE, 0xFF}, {0}));
  const auto escape = [&](std::vector<uint8_t> value, uint8_t row) {
    std::vector<uint8_t> payload{static_cast<uint8_t>(value.size() * 8)};
    payload.insert(payload.end(), value.begin(), value.end());
    payload.insert(payload.end(), {0xFF, 0xFF, 0xFE, 0xFF});
    decode(payload, {row});
  };
  CHECK_FAILS(corrupt_stream, "superfluous", escape({0x80, 0}, 0));
  CHECK_FAILS(corrupt_stream, "more than 5", escape({0x80, 0x80, 0x80, 0x80, 0x80, 1}, 0));
  CHECK_FAILS(corrupt_stream, "2147483648, is no int32", escape({0xFE, 0xFF, 0xFF, 0xFF, 0x0F}, 0));
  CHECK_FAILS(corrupt_stream, "-2147483649, is no int32",
              escape({0x81, 0x80, 0x80, 0x80, 0x10}, 0));
  CHECK_FAILS(corrupt_stream, "2147483648, is no int32", escape({0}, 1));
}

}  // namespace

int main() {
  round_trips();
  known_payload();
  empty_payload();
  long_zero_runs();
  carries_through_long_runs();
  damaged_payloads();
  refuses();
}
