// The operations of a network besides convolutions (arithmetic.md 2), on output rows [begin, end)
// of a picture. `out` begins at row `begin`; the window must hold the rows that are read.
#pragma once

#include <cstdint>

#include "nn/conv.h"

namespace samebits {

void add_rows(const RowWindow& a, const RowWindow& b, int channels, int begin, int end, int lo,
              int hi, int16_t* out);
void clamp_rows(const RowWindow& x, int channels, int begin, int end, int lo, int hi, int16_t* out);
// `table` has 65536 entries, the first for -32768.
void lut_rows(const RowWindow& x, int channels, int begin, int end, const int16_t* table,
              int16_t* out);
// `channels` are those of the input; rows are those of the output.
void unshuffle_rows(const RowWindow& x, int channels, int factor, int begin, int end, int16_t* out);
void shuffle_rows(const RowWindow& x, int channels, int factor, int begin, int end, int16_t* out);

}  // namespace samebits
