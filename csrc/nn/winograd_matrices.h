// The matrices of the integer Winograd algorithms.
//
// In one direction, m outputs y of a 3-tap filter g over m + 2 inputs d are
//
//     scale * y = output * ((weight * g) . (input * d))         (. is element by element)
//
// where row i of `scale` is odd * 2^shift[i]. Usually the rows of `weight` hold fractions; here
// every row is multiplied by what makes it integers, and whatever that leaves too large in an
// output is its scale. A tile of outputs has one algorithm for its rows and one for its columns;
// the transforms are applied to both, and their scales multiply.
//
// All sums may wrap modulo 2^32: the odd factors have an inverse there, and what is left is an
// int32 times a power of two, which a shift takes off, as long as the true output times that power
// is an int32. So the result is the direct sum, bit for bit; winograd_plan.cpp has the conditions.
#pragma once

#include <cstdint>

namespace samebits {

inline constexpr int kMaxWinogradSize = 6;

struct WinogradMatrices {
  int tile;  // m: outputs in each direction
  int size;  // m + 2: inputs in each direction
  int8_t input[kMaxWinogradSize][kMaxWinogradSize];
  int8_t weight[kMaxWinogradSize][3];
  int8_t output[4][kMaxWinogradSize];
  int8_t shift[4];
  uint32_t inverse;  // of odd modulo 2^32
};

// Rows 1 and 2 of `weight` are twice the usual (1, 1, 1) / 2 and (1, -1, 1) / 2; rows 0 and 3 are
// doubled too, so that every output carries 2.
inline constexpr WinogradMatrices kWinograd2 = {
    2,
    4,
    {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}},
    {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}},
    {{1, 1, 1, 0}, {0, 1, -1, -1}},
    {1, 1},
    1};

inline constexpr uint32_t kInverseOf3 = 2863311531;
static_assert(3u * kInverseOf3 == 1u);

// The usual rows are (1, 0, 0) / 2, (-1, -1, -1) / 2, (-1, 1, -1) / 6, (1, 2, 4) / 6, (0, 0, 1).
// Without their divisors all outputs carry 6 = 3 * 2, and the products count 3, 3, 1, 1 and 6
// times: the first and the last, which only one output reads, in `weight`, where that costs
// nothing.
inline constexpr WinogradMatrices kWinograd3 = {
    3,
    5,
    {{2, -1, -2, 1, 0}, {0, -2, -1, 1, 0}, {0, 2, -3, 1, 0}, {0, -1, 0, 1, 0}, {0, 2, -1, -2, 1}},
    {{3, 0, 0}, {-1, -1, -1}, {-1, 1, -1}, {1, 2, 4}, {0, 0, 6}},
    {{1, 3, 1, 1, 0}, {0, 3, -1, 2, 0}, {0, 3, 1, 4, 1}},
    {1, 1, 1},
    kInverseOf3};

// The usual rows are (1, 0, 0) / 4, (-1, -1, -1) / 6, (-1, 1, -1) / 6, (1, 2, 4) / 24,
// (1, -2, 4) / 24, (0, 0, 1). Without their divisors, outputs 0 ... 3 would carry 24, where the
// factors 6, 4, 4, 1, 1, 24 are left to `output`; common factors of its rows are taken out, which
// leaves 24, 12, 6, 6 = 3 * 2^shift. Only output 0 reads product 0, with factor 6, and only output
// 3 reads product 5, with factor 6: those two stand in `weight`, where they cost nothing.
inline constexpr WinogradMatrices kWinograd4 = {
    4,
    6,
    {{4, 0, -5, 0, 1, 0},
     {0, -4, -4, 1, 1, 0},
     {0, 4, -4, -1, 1, 0},
     {0, -2, -1, 2, 1, 0},
     {0, 2, -1, -2, 1, 0},
     {0, 4, 0, -5, 0, 1}},
    {{6, 0, 0}, {-1, -1, -1}, {-1, 1, -1}, {1, 2, 4}, {1, -2, 4}, {0, 0, 6}},
    {{1, 4, 4, 1, 1, 0}, {0, 2, -2, 1, -1, 0}, {0, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 1}},
    {3, 2, 1, 1},
    kInverseOf3};

constexpr const WinogradMatrices& winograd_matrices(int tile) {
  return tile == 2 ? kWinograd2 : tile == 3 ? kWinograd3 : kWinograd4;
}

}  // namespace samebits
