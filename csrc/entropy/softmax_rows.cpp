#include "entropy/softmax_rows.h"

#include <algorithm>

#include "base/cpu.h"

namespace samebits {
namespace {

constexpr int kMostEntries = 64;

// 2^(-distance / 256), at most 2^15.
uint32_t exp2_below(int32_t distance) {
  const int32_t octaves = distance >> kLogitBits;
  if (octaves > 15) return 0;
  const int32_t f = distance & ((1 << kLogitBits) - 1);
  return static_cast<uint32_t>(kExpStart[f >> 4] - kExpSlope[f >> 4] * (f & 15)) >> (octaves + 1);
}

// The definition.
void softmax_row(const int16_t* base, const int16_t* correction, int entries, uint16_t* starts) {
  int32_t logit[kMostEntries];
  for (int v = 0; v < entries; ++v) logit[v] = base[v] + correction[v];
  const int32_t top = *std::max_element(logit, logit + entries);
  uint32_t before[kMostEntries + 1];
  before[0] = 0;
  for (int v = 0; v < entries; ++v) before[v + 1] = before[v] + exp2_below(top - logit[v]);
  // before <= the sum, so no product exceeds (2^16 - entries) * 2^16.
  const uint32_t share = ((65536u - static_cast<uint32_t>(entries)) << 16) / before[entries];
  for (int v = 0; v < entries; ++v) {
    starts[v] = static_cast<uint16_t>(static_cast<uint32_t>(v) + (before[v] * share >> 16));
  }
}

}  // namespace

void softmax_rows(const SoftmaxBase& base, const uint8_t* rows, const int16_t* corrections,
                  int64_t count, uint16_t* starts) {
#ifdef SAMEBITS_HAVE_AVX2
  if (base.entries == kVectorEntries && vector_set() != VectorSet::none) {
    return softmax_rows_avx2(base, rows, corrections, count, starts);
  }
#endif
  for (int64_t i = 0; i < count; ++i) {
    if (rows[i] < base.first_row || rows[i] >= base.end_row) continue;
    softmax_row(base.base + (rows[i] - base.first_row) * base.entries,
                corrections + i * base.entries, base.entries, starts + i * base.entries);
  }
}

}  // namespace samebits
