// From int32 accumulators to int16 activations (arithmetic.md 2, conv):
//   v = round_shift(int64(acc) * multiplier[o], shift[o]); v = max(v, v >> leaky) if leaky >= 0;
//   out = clamp(v, lo, hi)
#pragma once

#include <cstdint>

namespace samebits {

inline constexpr int kMaxMultiplier = 65535;
inline constexpr int kMinShift = 1;
inline constexpr int kMaxShift = 46;
inline constexpr int kMaxLeaky = 15;  // -1: no leaky rectifier

// acc and out are dense [rows][channels]; multiplier and shift have one entry a channel
// and are within the limits above (the caller's promise). Runs on the calling thread.
void requantize(const int32_t* acc, int64_t rows, int channels, const int32_t* multiplier,
                const int32_t* shift, int leaky, int lo, int hi, int16_t* out);

}  // namespace samebits
