// How 16-bit operands become bytes for the tensor cores.
//
// An operand is cut into digits, the products of digits are summed apart, and the sums are put
// together at the end. All of it is exact modulo 2^32, which is how accumulators are defined
// (arithmetic.md 6), so it does not matter that a partial sum may wrap.
//
//   wide      x = 256 xh + xl, w = 256 wh + wl: four products
//   narrow    |x|, |w| below 2^13: x + 8192 = 128 xh + xl, w = 128 wh + wl. Three products, because
//             xh wl + xl wh = (xh + xl)(wh + wl) - xh wh - xl wl, and digits of 7 bits have sums
//             that fit a byte. 8192 times the weights' sum is taken off in the bias.
//   weight8, input8, both8   what is left when one operand, or both, fit a byte
#pragma once

#include <cstdint>

#include "cuda/ptx.h"

namespace samebits {

enum class DigitKind : int32_t { wide, narrow, weight8, input8, both8 };

inline constexpr int kNarrowOffset = 8192;
inline constexpr int kNarrowBits = 7;

// Bytes of four 16-bit values, two in each register.
__device__ __forceinline__ uint32_t low_bytes(uint32_t first, uint32_t second) {
  return __byte_perm(first, second, 0x6420);
}
__device__ __forceinline__ uint32_t high_bytes(uint32_t first, uint32_t second) {
  return __byte_perm(first, second, 0x7531);
}

// kWeightPlanes: digits of a weight, in the order in which they are packed. split() makes register
// `reg` of the operand A of all input planes; multiply() adds one tile's products to the sums.
template <DigitKind>
struct Digits;

template <>
struct Digits<DigitKind::wide> {
  static constexpr int kInputPlanes = 2, kWeightPlanes = 2, kSums = 3;
  __device__ __forceinline__ static void split(uint32_t first, uint32_t second, int reg,
                                               uint32_t (&a)[2][4]) {
    a[0][reg] = low_bytes(first, second);
    a[1][reg] = high_bytes(first, second);
  }
  __device__ __forceinline__ static void multiply(int32_t (&sum)[3][4], const uint32_t (&a)[2][4],
                                                  const uint32_t (&b)[2][2]) {
    mma_16x8x32<Byte::s8, Byte::s8>(sum[0], a[1], b[1]);
    mma_16x8x32<Byte::s8, Byte::u8>(sum[1], a[1], b[0]);
    mma_16x8x32<Byte::u8, Byte::u8>(sum[2], a[0], b[0]);
    mma_16x8x32<Byte::u8, Byte::s8>(sum[1], a[0], b[1]);
  }
  __device__ __forceinline__ static uint32_t total(const int32_t (&sum)[3][4], int i) {
    return (static_cast<uint32_t>(sum[0][i]) << 16) + (static_cast<uint32_t>(sum[1][i]) << 8) +
           static_cast<uint32_t>(sum[2][i]);
  }
};

template <>
struct Digits<DigitKind::narrow> {
  static constexpr int kInputPlanes = 3, kWeightPlanes = 3, kSums = 3;
  __device__ __forceinline__ static void split(uint32_t first, uint32_t second, int reg,
                                               uint32_t (&a)[3][4]) {
    // x + 8192 is x with bit 13 turned and without its signs; bit 13 is bit 6 of the high digit.
    a[0][reg] = low_bytes(first, second) & 0x7F7F7F7Fu;
    a[1][reg] =
        (low_bytes(first >> kNarrowBits, second >> kNarrowBits) & 0x7F7F7F7Fu) ^ 0x40404040u;
    a[2][reg] = a[0][reg] + a[1][reg];
  }
  __device__ __forceinline__ static void multiply(int32_t (&sum)[3][4], const uint32_t (&a)[3][4],
                                                  const uint32_t (&b)[3][2]) {
    mma_16x8x32<Byte::u8, Byte::s8>(sum[0], a[1], b[1]);
    mma_16x8x32<Byte::u8, Byte::s8>(sum[1], a[2], b[2]);
    mma_16x8x32<Byte::u8, Byte::s8>(sum[2], a[0], b[0]);
  }
  __device__ __forceinline__ static uint32_t total(const int32_t (&sum)[3][4], int i) {
    const uint32_t high = static_cast<uint32_t>(sum[0][i]), low = static_cast<uint32_t>(sum[2][i]);
    const uint32_t middle = static_cast<uint32_t>(sum[1][i]) - high - low;
    return (high << (2 * kNarrowBits)) + (middle << kNarrowBits) + low;
  }
};

template <>
struct Digits<DigitKind::weight8> {
  static constexpr int kInputPlanes = 2, kWeightPlanes = 1, kSums = 2;
  __device__ __forceinline__ static void split(uint32_t first, uint32_t second, int reg,
                                               uint32_t (&a)[2][4]) {
    Digits<DigitKind::wide>::split(first, second, reg, a);
  }
  __device__ __forceinline__ static void multiply(int32_t (&sum)[2][4], const uint32_t (&a)[2][4],
                                                  const uint32_t (&b)[1][2]) {
    mma_16x8x32<Byte::s8, Byte::s8>(sum[0], a[1], b[0]);
    mma_16x8x32<Byte::u8, Byte::s8>(sum[1], a[0], b[0]);
  }
  __device__ __forceinline__ static uint32_t total(const int32_t (&sum)[2][4], int i) {
    return (static_cast<uint32_t>(sum[0][i]) << 8) + static_cast<uint32_t>(sum[1][i]);
  }
};

template <>
struct Digits<DigitKind::input8> {
  static constexpr int kInputPlanes = 1, kWeightPlanes = 2, kSums = 2;
  __device__ __forceinline__ static void split(uint32_t first, uint32_t second, int reg,
                                               uint32_t (&a)[1][4]) {
    a[0][reg] = low_bytes(first, second);
  }
  __device__ __forceinline__ static void multiply(int32_t (&sum)[2][4], const uint32_t (&a)[1][4],
                                                  const uint32_t (&b)[2][2]) {
    mma_16x8x32<Byte::s8, Byte::s8>(sum[0], a[0], b[1]);
    mma_16x8x32<Byte::s8, Byte::u8>(sum[1], a[0], b[0]);
  }
  __device__ __forceinline__ static uint32_t total(const int32_t (&sum)[2][4], int i) {
    return Digits<DigitKind::weight8>::total(sum, i);
  }
};

template <>
struct Digits<DigitKind::both8> {
  static constexpr int kInputPlanes = 1, kWeightPlanes = 1, kSums = 1;
  __device__ __forceinline__ static void split(uint32_t first, uint32_t second, int reg,
                                               uint32_t (&a)[1][4]) {
    a[0][reg] = low_bytes(first, second);
  }
  __device__ __forceinline__ static void multiply(int32_t (&sum)[1][4], const uint32_t (&a)[1][4],
                                                  const uint32_t (&b)[1][2]) {
    mma_16x8x32<Byte::s8, Byte::s8>(sum[0], a[0], b[0]);
  }
  __device__ __forceinline__ static uint32_t total(const int32_t (&sum)[1][4], int i) {
    return static_cast<uint32_t>(sum[0][i]);
  }
};

}  // namespace samebits
