// Requantization (arithmetic.md 2) of one channel on the device.
//
// (acc m + 2^(s-1)) >> s is the upper half of acc m 2^(32-s) + 2^31 for 17 <= s <= 32, where m
// 2^(32-s) still fits an int32: one multiplication and no shift. For s > 32 the upper half of acc m
// + 2^(s-1) is shifted by the rest. Shifts below 17 take the plain way.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace samebits {

inline constexpr int kShortestFastShift = 17;

// One channel: what its sum begins with and what becomes of it. 16 bytes, read at once.
struct alignas(16) ChannelScale {
  int32_t bias;
  int32_t multiplier;
  // Fast layers: the rounding, low and high half; the high half is 2^(s-33) for s > 32, or 0.
  // Others: `low` is the shift.
  uint32_t low;
  int32_t high;
};

struct Activation {
  int32_t leaky;  // -1: none
  int32_t lo, hi;
  int32_t fast;  // all shifts are at least 17
};

__device__ __forceinline__ int32_t clamped(int32_t v, int32_t lo, int32_t hi) {
  return v < lo ? lo : v > hi ? hi : v;
}

__device__ __forceinline__ int32_t requantized(int32_t sum, const ChannelScale& scale,
                                               const Activation& activation) {
  if (activation.fast) {
    const int64_t rounded = int64_t{sum} * scale.multiplier + int64_t{scale.low};
    const int32_t upper = static_cast<int32_t>(rounded >> 32) + scale.high;
    int32_t v = upper >> (32 - __clz(scale.high));
    if (activation.leaky >= 0 && v < 0) v >>= activation.leaky;
    return clamped(v, activation.lo, activation.hi);
  }
  const int shift = static_cast<int>(scale.low);
  int64_t v = (int64_t{sum} * scale.multiplier + (int64_t{1} << (shift - 1))) >> shift;
  if (activation.leaky >= 0 && v < 0) v >>= activation.leaky;
  return static_cast<int32_t>(v < activation.lo   ? activation.lo
                              : v > activation.hi ? activation.hi
                                                  : v);
}

}  // namespace samebits
