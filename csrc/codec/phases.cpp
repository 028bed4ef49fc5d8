#include "codec/phases.h"

namespace samebits {

MaskedPositions::MaskedPositions(int height, int width, uint8_t phase_mask) : height_(height) {
  for (int parity = 0; parity < 2; ++parity) {
    const int columns = phase_mask >> (2 * parity) & 3;
    Line& line = line_[parity];
    if (columns == 3) line = {0, 1, width};
    if (columns == 1) line = {0, 2, (width + 1) / 2};
    if (columns == 2) line = {1, 2, width / 2};
  }
}

Position MaskedPositions::at(int64_t n) const {
  const int64_t two_rows = int64_t{line_[0].count} + line_[1].count;
  const int row = static_cast<int>(n / two_rows) * 2;
  const int rest = static_cast<int>(n % two_rows);
  if (rest < line_[0].count) return {row, column(row, rest)};
  return {row + 1, column(row + 1, rest - line_[0].count)};
}

}  // namespace samebits
