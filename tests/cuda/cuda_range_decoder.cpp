// The range decoder of the device, emulated, against the one of the core: all numbers of lanes,
// escapes, several batches, tables in shared and in global memory, damaged payloads.
#include <algorithm>

#include "base/error.h"
#include "cuda/interface.h"
#include "cuda/range_decoder.h"
#include "device_array.h"
#include "entropy/leb128.h"
#include "entropy/range_coder.h"
#include "entropy_tables.h"

using namespace samebits;

namespace {

using Batches = std::vector<std::vector<uint8_t>>;  // rows
using Symbols = std::vector<std::vector<int32_t>>;

constexpr size_t kNoShared = 0, kTightShared = 10 << 10, kLargeShared = 99 << 10;

struct Decoded {
  Symbols symbols;
  uint32_t problems;
};

// As the codec does it: the head is read on the host, the rest is the device's.
Decoded decode_on_device(const CdfTables& cdf, const std::vector<uint8_t>& payload,
                         const Batches& batches, size_t shared_limit) {
  const RangeTables tables(cdf.rows(), cdf.starts().data(), cdf.row_begin().data(),
                           cdf.min_symbols().data(), shared_limit);
  CHECK(tables.fits_shared() == (shared_limit != kNoShared));
  Leb128Reader head(payload);
  const uint64_t first = head.read("payload");
  const size_t escapes = first >> 3, begin = head.position() + escapes;
  CHECK(begin <= payload.size() && (payload.size() - begin) % 2 == 0);
  const size_t count = (payload.size() - begin) / 2;
  std::vector<uint16_t> words(count);
  for (size_t n = 0; n < count; ++n)
    words[n] = static_cast<uint16_t>(payload[begin + 2 * n] | payload[begin + 2 * n + 1] << 8);
  const DeviceArray<uint16_t> device_words(words);
  const DeviceArray<uint8_t> device_escapes(
      std::vector<uint8_t>(payload.begin() + head.position(), payload.begin() + begin));
  const DeviceArray<StreamHeader> header(std::vector<StreamHeader>{
      {device_words.data(), device_escapes.data(), nullptr, static_cast<uint32_t>(count),
       static_cast<uint32_t>(escapes), 1 << (first & 7), 0}});
  const DeviceArray<CoderState> state(1);
  const DeviceArray<DeviceStatus> status(1);
  Decoded decoded;
  CHECK(start_payload(header.data(), state.data(), status.data(), nullptr) == cudaSuccess);
  for (const std::vector<uint8_t>& rows : batches) {
    const DeviceArray<uint8_t> device_rows(rows);
    const DeviceArray<int32_t> symbols(rows.size());
    CHECK(decode_batch(tables, header.data(), state.data(), status.data(),
                       {device_rows.data(), symbols.data(), static_cast<int64_t>(rows.size())},
                       nullptr) == cudaSuccess);
    decoded.symbols.push_back(symbols.values());
  }
  CHECK(finish_payload(header.data(), state.data(), status.data(), nullptr) == cudaSuccess);
  decoded.problems = status.values()[0].problems;
  return decoded;
}

// What the core's decoder gives; an empty result for a payload that it refuses.
Symbols decode_on_host(const CdfTables& cdf, const std::vector<uint8_t>& payload,
                       const Batches& batches) {
  Symbols all;
  try {
    RangeDecoder decoder(cdf, payload);
    for (const std::vector<uint8_t>& rows : batches) {
      std::vector<int32_t> symbols(rows.size());
      decoder.decode(rows, symbols);
      all.push_back(symbols);
    }
    decoder.finish();
  } catch (const Error&) {
    all.clear();
  }
  return all;
}

// Like those of a model: small enough for shared memory.
CdfTables small_tables(Random& random) {
  RowList list;
  list.add({0, 65535}, 0);
  list.add({0, 1, 2, 3}, -1);
  list.add({0, 1, 65534, 65535}, -1);
  list.add({0, 30000, 60000}, INT32_MAX - 1);
  for (int entries : {2, 3, 5, 17, 100, 255, 700})
    list.add(random_row(random, entries), static_cast<int32_t>(random.between(-1000, 10)));
  return list.tables();
}

struct Payload {
  std::vector<uint8_t> bytes;
  Batches batches;
  Symbols symbols;
};

Payload random_payload(Random& random, const CdfTables& cdf, int lanes) {
  Payload payload;
  RangeEncoder encoder(cdf, lanes);
  for (int64_t batches = random.between(1, 3); batches > 0; --batches) {
    std::vector<uint8_t> rows(random.between(1, 700));
    std::vector<int32_t> symbols;
    for (uint8_t& row : rows) {
      row = static_cast<uint8_t>(random.between(0, cdf.rows() - 1));
      symbols.push_back(random_symbol(random, cdf, row));
    }
    encoder.encode(symbols, rows);
    payload.batches.push_back(rows);
    payload.symbols.push_back(symbols);
  }
  payload.bytes = encoder.finish();
  return payload;
}

// The host refuses payloads whose head is wrong before the device sees them.
bool head_is_right(const std::vector<uint8_t>& bytes) {
  try {
    Leb128Reader head(bytes);
    const uint64_t first = head.read("payload");
    return (first & 7) <= 5 && first >> 3 <= head.remaining() &&
           (head.remaining() - (first >> 3)) % 2 == 0;
  } catch (const Error&) {
    return false;
  }
}

void check_damage(Random& random, const CdfTables& cdf, const Payload& payload, size_t limit) {
  std::vector<uint8_t> bytes = payload.bytes;
  const int64_t kind = random.between(0, 3);
  if (kind == 0) bytes.resize(random.between(1, static_cast<int64_t>(bytes.size())));
  if (kind == 1)
    bytes[random.between(0, static_cast<int64_t>(bytes.size()) - 1)] ^= 1 << random.between(0, 7);
  if (kind == 2) bytes.insert(bytes.end(), 2, static_cast<uint8_t>(random.bits32()));
  if (kind == 3)
    for (size_t n = bytes.size() / 2; n < bytes.size(); ++n)
      bytes[n] = random.one_in(2) ? 255 : static_cast<uint8_t>(random.bits32());
  if (!head_is_right(bytes)) return;
  const Symbols expected = decode_on_host(cdf, bytes, payload.batches);
  const Decoded found = decode_on_device(cdf, bytes, payload.batches, limit);
  CHECK((found.problems != 0) == expected.empty());
  if (!expected.empty()) CHECK(found.symbols == expected);
}

void check_tables(Random& random, const CdfTables& cdf, int lanes, size_t limit) {
  const Payload payload = random_payload(random, cdf, lanes);
  const Decoded found = decode_on_device(cdf, payload.bytes, payload.batches, limit);
  CHECK(found.problems == 0);
  CHECK(found.symbols == payload.symbols);
  for (int n = 0; n < 4; ++n) check_damage(random, cdf, payload, limit);
}

}  // namespace

int main() {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    emulator::set_seed(seed);
    Random random(seed);
    for (int lanes = 1; lanes <= kMaxLanes; lanes *= 2) {
      for (int n = 0; n < 4; ++n) {
        check_tables(random, small_tables(random), lanes, kLargeShared);
        check_tables(random, small_tables(random), lanes, kTightShared);
        check_tables(random, extreme_tables(random), lanes, kNoShared);
      }
    }
  }
}
