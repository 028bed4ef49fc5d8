#include <cstring>

#include "cuda/range_decoder.h"

namespace samebits {
namespace {

constexpr int kReciprocals = 512;
constexpr uint32_t kFewestBits = 4, kMostBits = 8;

uint32_t aligned(size_t bytes) {
  return static_cast<uint32_t>((bytes + 15) / 16 * 16);
}

// Last t of entry s of a row.
uint32_t last_of(const uint16_t* row, uint32_t entries, uint32_t s) {
  return s + 1 < entries ? row[s + 1] - 1u : 0xFFFFu;
}

template <class T>
void put(std::vector<uint8_t>& memory, size_t at, const T& value) {
  std::memcpy(memory.data() + at, &value, sizeof(value));
}

}  // namespace

RangeTables::RangeTables(int rows, const uint16_t* starts, const int32_t* row_begin,
                         const int32_t* min_symbol, size_t shared_limit) {
  const auto lay_out = [&](uint32_t bits) {
    view_.bucket_bits = bits;
    view_.rows_at = kReciprocals * sizeof(uint32_t);
    view_.buckets_at = aligned(view_.rows_at + rows * sizeof(RangeRow));
    view_.lasts_at = aligned(view_.buckets_at + (size_t{static_cast<uint32_t>(rows)} << bits) * 8);
    view_.bytes = aligned(view_.lasts_at + static_cast<size_t>(row_begin[rows]) * 2);
    fits_shared_ = view_.bytes <= shared_limit;
    return fits_shared_;
  };
  uint32_t bits = kMostBits;
  while (!lay_out(bits) && bits > kFewestBits) --bits;
  if (!fits_shared_) lay_out(kMostBits);
  memory_ = uploaded(build(rows, starts, row_begin, min_symbol));
  view_.memory = memory_.as<uint4>();
}

std::vector<uint8_t> RangeTables::build(int rows, const uint16_t* starts, const int32_t* row_begin,
                                        const int32_t* min_symbol) {
  std::vector<uint8_t> memory(view_.bytes);
  for (uint32_t n = 0; n < kReciprocals; ++n)
    put(memory, n * 4, static_cast<uint32_t>((uint64_t{1} << 41) / (kReciprocals + n + 1)));
  const uint32_t buckets = 1u << view_.bucket_bits, width = 65536u >> view_.bucket_bits;
  for (int r = 0; r < rows; ++r) {
    const uint16_t* row = starts + row_begin[r];
    const uint32_t entries = static_cast<uint32_t>(row_begin[r + 1] - row_begin[r]);
    put(memory, view_.rows_at + r * sizeof(RangeRow),
        RangeRow{static_cast<uint32_t>(row_begin[r]), min_symbol[r], entries - 1});
    for (uint32_t s = 0; s < entries; ++s)
      put(memory, view_.lasts_at + (row_begin[r] + size_t{s}) * 2,
          static_cast<uint16_t>(last_of(row, entries, s)));
    uint32_t entry = 0;
    for (uint32_t b = 0; b < buckets; ++b) {
      while (last_of(row, entries, entry) < b * width) ++entry;
      const uint32_t pair[2] = {row[entry] | last_of(row, entries, entry) << 16,
                                last_of(row, entries, entry + 1) | entry << 16};
      put(memory, view_.buckets_at + (size_t{static_cast<uint32_t>(r)} * buckets + b) * 8, pair);
    }
  }
  return memory;
}

}  // namespace samebits
