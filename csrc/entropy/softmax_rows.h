// From logits to rows of the range coder, in integers (arithmetic.md 9): a softmax to the base 2.
//
// Header of a vector kernel as well: plain types only.
#pragma once

#include <cstdint>

namespace samebits {

inline constexpr int kLogitBits = 8;       // 256 units an octave
inline constexpr int kMaxLogit = 1 << 14;  // base and correction: -kMaxLogit .. kMaxLogit - 1
inline constexpr int kVectorEntries = 16;  // what the vector kernels can do

// 2^(-f / 256) in units of 2^-16 for f = 0 .. 255, as 16 lines: kExpStart[f >> 4] - kExpSlope[f >>
// 4] * (f & 15). Off by at most 1.6e-4 of the value, and falling all the way.
inline constexpr uint16_t kExpStart[16] = {65531, 62749, 60089, 57546, 55102, 52767, 50530, 48386,
                                           46337, 44375, 42493, 40689, 38962, 37312, 35732, 34218};
inline constexpr uint8_t kExpSlope[16] = {174, 166, 159, 153, 146, 140, 134, 128,
                                          123, 118, 113, 108, 103, 99,  95,  91};

// Rows ([count][entries]) from logits ([count][entries]), which are within two times kMaxLogit.
void softmax_rows(const int16_t* logits, int entries, int64_t count, uint16_t* starts);

// How coefficients change the logits that rows of the tables stand for.
struct ValueShapes {
  int first_row;
  int end_row;
  int entries;       // n, 2 .. 64; the last is the escape
  int coefficients;  // J of each element, even
  int shift;
  const int16_t* base;    // [end_row - first_row][n], within kMaxLogit
  const int16_t* shapes;  // [J / 2][n][2]: what a unit of each coefficient does
};

// For each of `count` elements whose row is in [first_row, end_row): the starts of its own row go
// to starts ([count][entries]). Nothing is written for the others. `coefficients` is [count][J];
// the sums of its products with the shapes and 2^(shift - 1) stay below 2^31, the caller promises.
void shaped_rows(const ValueShapes& shapes, const uint8_t* rows, const int16_t* coefficients,
                 int64_t count, uint16_t* starts);

// The same for kVectorEntries entries.
void softmax_rows_avx2(const int16_t* logits, int64_t count, uint16_t* starts);
void shaped_rows_avx2(const ValueShapes& shapes, const uint8_t* rows, const int16_t* coefficients,
                      int64_t count, uint16_t* starts);

}  // namespace samebits
