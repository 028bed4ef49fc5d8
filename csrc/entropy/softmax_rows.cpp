#include "entropy/softmax_rows.h"

#include <algorithm>

#include "base/cpu.h"
#include "base/fixed_point.h"

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
void softmax_row(const int16_t* logit, int entries, uint16_t* starts) {
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

// base + the shapes' sum.
void shaped_logits(const ValueShapes& shapes, const int16_t* base, const int16_t* coefficient,
                   int16_t* logit) {
  const int n = shapes.entries;
  for (int v = 0; v < n; ++v) {
    int32_t sum = 0;
    for (int j = 0; j < shapes.coefficients; ++j)
      sum += shapes.shapes[((j >> 1) * n + v) * 2 + (j & 1)] * coefficient[j];
    const int64_t correction =
        clamp<int64_t>(round_shift(sum, shapes.shift), -kMaxLogit, kMaxLogit - 1);
    logit[v] = static_cast<int16_t>(base[v] + correction);
  }
}

}  // namespace

void softmax_rows(const int16_t* logits, int entries, int64_t count, uint16_t* starts) {
#ifdef SAMEBITS_HAVE_AVX2
  if (entries == kVectorEntries && vector_set() != VectorSet::none)
    return softmax_rows_avx2(logits, count, starts);
#endif
  for (int64_t i = 0; i < count * entries; i += entries)
    softmax_row(logits + i, entries, starts + i);
}

void shaped_rows(const ValueShapes& shapes, const uint8_t* rows, const int16_t* coefficients,
                 int64_t count, uint16_t* starts) {
#ifdef SAMEBITS_HAVE_AVX2
  if (shapes.entries == kVectorEntries && vector_set() != VectorSet::none)
    return shaped_rows_avx2(shapes, rows, coefficients, count, starts);
#endif
  int16_t logits[kMostEntries];
  for (int64_t i = 0; i < count; ++i) {
    if (rows[i] < shapes.first_row || rows[i] >= shapes.end_row) continue;
    shaped_logits(shapes, shapes.base + (rows[i] - shapes.first_row) * shapes.entries,
                  coefficients + i * shapes.coefficients, logits);
    softmax_row(logits, shapes.entries, starts + i * shapes.entries);
  }
}

}  // namespace samebits
