// Fixed-point building blocks of arithmetic.md 1.
#pragma once

#include <cstdint>

namespace samebits {

// (v + 2^(s-1)) >> s for s >= 1 and v for s = 0: one rounding, half up. The caller keeps
// |v| + 2^(s-1) below 2^63.
constexpr int64_t round_shift(int64_t v, int s) {
  return s == 0 ? v : (v + (int64_t{1} << (s - 1))) >> s;
}

template <class T>
constexpr T clamp(T v, T lo, T hi) {
  return v < lo ? lo : (hi < v ? hi : v);
}

constexpr int16_t clamp16(int64_t v) {
  return static_cast<int16_t>(clamp<int64_t>(v, -32767, 32767));
}

}  // namespace samebits
