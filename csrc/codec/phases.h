// The four phases of positions (arithmetic.md 4), and the positions of a set of phases.
#pragma once

#include <cstdint>

namespace samebits {

inline constexpr int kPhases = 4;
inline constexpr uint8_t kAllPhases = 15;

// The phase of a position (row, column).
constexpr int phase_of(int row, int column) {
  return 2 * (row & 1) + (column & 1);
}

struct Position {
  int row = 0;
  int column = 0;

  bool operator==(const Position&) const = default;
};

// Positions of a phase mask on a grid, in coding order (row by row).
class MaskedPositions {
 public:
  MaskedPositions(int height, int width, uint8_t phase_mask);

  int in_row(int row) const { return line_[row & 1].count; }
  // Column of the n-th position of a row.
  int column(int row, int n) const { return line_[row & 1].first + n * line_[row & 1].stride; }
  // Number of positions in the rows above `row`.
  int64_t before(int row) const {
    return int64_t{(row + 1) / 2} * line_[0].count + int64_t{row / 2} * line_[1].count;
  }
  int64_t count() const { return before(height_); }
  // The n-th of all positions, 0 <= n < count().
  Position at(int64_t n) const;
  // The one after `position`. Behind the last one, some row beyond.
  Position next(Position position) const {
    const Line& line = line_[position.row & 1];
    position.column += line.stride;
    if (position.column < line.first + line.count * line.stride) return position;
    position.row += line_[(position.row + 1) & 1].count != 0 ? 1 : 2;
    position.column = line_[position.row & 1].first;
    return position;
  }

 private:
  struct Line {
    int first = 0;
    int stride = 1;
    int count = 0;
  };
  int height_;
  Line line_[2];  // of even and of odd rows
};

}  // namespace samebits
