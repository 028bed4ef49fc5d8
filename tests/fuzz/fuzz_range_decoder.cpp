// The range decoder on any payload. The first byte says how many symbols there are, the next two
// how their CDF rows follow each other, and whether some symbols have rows of their own. What was
// decoded must survive the encoder.
#include <vector>

#include "base/error.h"
#include "entropy/range_coder.h"
#include "entropy/softmax_rows.h"
#include "fuzz_input.h"

namespace samebits::fuzz {
namespace {

constexpr size_t kBatches = 3;

std::vector<uint8_t> rows_from(const uint8_t* data, int batch, int rows) {
  std::vector<uint8_t> indices(1 + (data[0] * (batch + 1)) % 512);
  int row = data[1];
  for (uint8_t& index : indices) {
    index = static_cast<uint8_t>(row % rows);
    row = (row + data[2]) % (1 << 16);
  }
  return indices;
}

// Logits that change from symbol to symbol, the same ones for the same input.
struct OwnRows {
  static constexpr int kEntries = 16;
  std::vector<uint16_t> starts;
  int end_row;

  OwnRows(const uint8_t* data, size_t symbols) : starts(symbols * kEntries), end_row(data[2] / 4) {
    std::vector<int16_t> logits(starts.size());
    uint32_t state = data[1] + 1u;
    for (int16_t& logit : logits) {
      state = state * 1664525u + 1013904223u;
      logit = static_cast<int16_t>(state >> 16) / (1 + data[0] % 64);
    }
    softmax_rows(logits.data(), kEntries, static_cast<int64_t>(symbols), starts.data());
  }
  ValueRows view() const { return {0, end_row, kEntries, -7, starts}; }
};

void code_again(const CdfTables& tables, int lanes, const std::vector<std::vector<uint8_t>>& rows,
                const std::vector<std::vector<int32_t>>& symbols, const uint8_t* data) {
  RangeEncoder encoder(tables, lanes);
  for (size_t i = 0; i < rows.size(); ++i) {
    CodedIntervals intervals(tables);
    intervals.add(symbols[i], rows[i], OwnRows(data, rows[i].size()).view());
    encoder.encode(intervals);
  }
  const std::vector<uint8_t> payload = encoder.finish();
  RangeDecoder decoder(tables, payload);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::vector<int32_t> again(rows[i].size());
    decoder.decode(rows[i], OwnRows(data, rows[i].size()).view(), again);
    if (again != symbols[i]) finding("decoded symbols do not survive the encoder");
  }
  decoder.finish();
}

}  // namespace
}  // namespace samebits::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace samebits;
  using namespace samebits::fuzz;
  if (size < 3) return 0;
  const CdfTables& tables = tiny().model.cdf;
  std::vector<std::vector<uint8_t>> rows;
  std::vector<std::vector<int32_t>> symbols;
  int lanes = 0;
  try {
    RangeDecoder decoder(tables, {data + 3, size - 3});
    lanes = decoder.lanes();
    for (size_t batch = 0; batch < kBatches; ++batch) {
      rows.push_back(rows_from(data, static_cast<int>(batch), tables.rows()));
      symbols.emplace_back(rows.back().size());
      decoder.decode(rows.back(), OwnRows(data, rows.back().size()).view(), symbols.back());
    }
    try {
      decoder.finish();
    } catch (const Error&) {  // what was decoded before a wrong end is coded again all the same
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::invalid_argument) finding(error.what());
    return 0;
  }
  code_again(tables, lanes, rows, symbols, data);
  return 0;
}
