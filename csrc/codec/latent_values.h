// The formulas of arithmetic.md 3: how latents become symbols, and symbols latents again.
#pragma once

#include <cstdint>

#include "base/fixed_point.h"

namespace samebits {

inline constexpr int kGainBits = 24;
inline constexpr int kInverseGainBits = 8;
inline constexpr int kRowBits = 7;  // 128 units of log-scale a CDF row
inline constexpr int32_t kMaxSymbol = 1 << 20;
inline constexpr int32_t kMaxHyperSymbol = 1 << 14;
inline constexpr int kPlainRounding = 128;

// Encoder: the symbol of a difference. `deadzone_q8` is the offset added to the magnitude before it
// is cut, in 1/256: 128 is the rounding of arithmetic.md (half up), less widens the zone of zero.
constexpr int32_t quantize(int32_t difference, int32_t gain, int deadzone_q8, int32_t limit) {
  const int64_t v = int64_t{difference} * gain;
  const int64_t offset = int64_t{deadzone_q8} << (kGainBits - 8);
  // A negative half goes up, towards zero: one less in magnitude before the cut.
  const int64_t magnitude = v < 0 ? (-v + offset - 1) >> kGainBits : (v + offset) >> kGainBits;
  const int64_t clamped = magnitude < limit ? magnitude : limit;
  return static_cast<int32_t>(v < 0 ? -clamped : clamped);
}

constexpr int16_t dequantize(int16_t mean, int32_t symbol, int32_t inverse_gain) {
  return clamp16(mean + round_shift(int64_t{symbol} * inverse_gain, kInverseGainBits));
}

constexpr uint8_t scale_row(int16_t log_scale, int32_t log2_gain, int rows) {
  const int64_t row = (int64_t{log_scale} + log2_gain + (1 << (kRowBits - 1))) >> kRowBits;
  return static_cast<uint8_t>(clamp<int64_t>(row, 0, rows - 1));
}

}  // namespace samebits
