// The range decoder on any payload. The first byte says how many symbols there are, the next two
// how their CDF rows follow each other. What was decoded must survive the encoder.
#include <vector>

#include "base/error.h"
#include "entropy/range_coder.h"
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

void code_again(const CdfTables& tables, int lanes, const std::vector<std::vector<uint8_t>>& rows,
                const std::vector<std::vector<int32_t>>& symbols) {
  RangeEncoder encoder(tables, lanes);
  for (size_t i = 0; i < rows.size(); ++i) encoder.encode(symbols[i], rows[i]);
  const std::vector<uint8_t> payload = encoder.finish();
  RangeDecoder decoder(tables, payload);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::vector<int32_t> again(rows[i].size());
    decoder.decode(rows[i], again);
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
      decoder.decode(rows.back(), symbols.back());
    }
    try {
      decoder.finish();
    } catch (const Error&) {  // what was decoded before a wrong end is coded again all the same
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::invalid_argument) finding(error.what());
    return 0;
  }
  code_again(tables, lanes, rows, symbols);
  return 0;
}
