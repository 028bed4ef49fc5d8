// Vectors of floats as wide as the flags of the including source allow, by the compiler's own
// vector types. For the kernels of S alone: each has its own copy.
#pragma once

#include <cstdint>

namespace samebits {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Floats __attribute__((vector_size(kLanes * sizeof(float))));
typedef int32_t Ints __attribute__((vector_size(kLanes * sizeof(int32_t))));

inline Floats load(const float* from) {
  Floats v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

inline void store(float* to, Floats v) {
  __builtin_memcpy(to, &v, sizeof v);
}

inline Floats all(float value) {
  return Floats{} + value;
}

inline Floats select(Ints mask, Floats yes, Floats no) {
  return (Floats)(((Ints)yes & mask) | ((Ints)no & ~mask));
}

inline Floats where(Ints mask, Floats yes) {
  return (Floats)((Ints)yes & mask);
}

inline Floats magnitude(Floats v) {
  return (Floats)((Ints)v & 0x7FFFFFFF);
}

// 1 with the sign of v, 0 for 0.
inline Floats sign_of(Floats v) {
  return where(v > 0.0f, all(1)) - where(v < 0.0f, all(1));
}

// Lanes whose index is below count.
inline Ints first_lanes(int count) {
  Ints index;
  for (int lane = 0; lane < kLanes; ++lane) index[lane] = lane;
  return index < count;
}

// The n-th root of positive normal numbers, to a few units in the last place: the bits of a float
// are near its logarithm, and two steps of Halley's method cube the error of 6 % twice.
template <int n>
inline Floats root(Floats v) {
  constexpr int32_t kOne = 0x3F800000;
  constexpr float kLess = n - 1, kMore = n + 1;
  const Floats logarithm = __builtin_convertvector((Ints)v - kOne, Floats) * (1.0f / n);
  Floats y = (Floats)(__builtin_convertvector(logarithm, Ints) + kOne);
  for (int step = 0; step < 2; ++step) {
    Floats power = y;
    for (int i = 1; i < n; ++i) power *= y;
    y *= (kLess * power + kMore * v) / (kMore * power + kLess * v);
  }
  return y;
}

}  // namespace
}  // namespace samebits
