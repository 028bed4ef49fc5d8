// Matrices in panels, and their product in tiles of registers.
//
// The right factor of a product has its rows summed over. It stands in panels of Math::kPanel
// columns (the last may be narrower), each panel contiguous; Math::kPack rows that one instruction
// multiplies stand next to each other: element (r, c) of a panel of `width` columns is at
// (r / kPack * width + c) * kPack + r % kPack. The left factor has a stride from row to row and one
// from step to step, so that it may be rows of pixels, or panels read the other way.
#pragma once

#include <cstddef>
#include <cstdint>

namespace samebits::training {

template <class Math>
struct Factors {
  using Element = typename Math::Element;
  const Element* left;
  int64_t left_row, left_step;
  const Element* right;
  int64_t right_step;
  int steps;
};

template <class Math>
constexpr int panel_width(int columns, int first) {
  return columns - first < Math::kPanel ? columns - first : Math::kPanel;
}

template <class Math>
constexpr int panel_width_at(int columns, int column) {
  return panel_width<Math>(columns, column / Math::kPanel * Math::kPanel);
}

// Rows that a buffer of `rows` rows needs: tiles are always whole.
template <class Math>
constexpr int64_t padded_rows(int64_t rows) {
  return (rows + Math::kTileRows - 1) / Math::kTileRows * Math::kTileRows;
}

template <class Math, int kRows, int kVectors, bool kAdd>
void multiply_tile(const Factors<Math>& factors, float* out, int64_t out_row) {
  typename Math::Vector sum[kRows][kVectors];
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sum[r][v] = Math::zero();
  const typename Math::Element* left = factors.left;
  const typename Math::Element* right = factors.right;
  for (int step = 0; step < factors.steps; ++step) {
    typename Math::Packed columns[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v)
      columns[v] = Math::load_packed(right + v * Math::kLanes * Math::kPack);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const typename Math::Packed factor = Math::broadcast_packed(left + r * factors.left_row);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v)
        sum[r][v] = Math::multiply_add(sum[r][v], factor, columns[v]);
    }
    left += factors.left_step;
    right += factors.right_step;
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      float* at = out + r * out_row + v * Math::kLanes;
      Math::store(at, kAdd ? Math::add(Math::load(at), sum[r][v]) : sum[r][v]);
    }
}

template <class Math, int kRows, bool kAdd>
void multiply_rows(int width, const Factors<Math>& factors, float* out, int64_t out_row) {
  constexpr int kMost = Math::kPanel / Math::kLanes;
  const int vectors = width / Math::kLanes;
  if (vectors == kMost) return multiply_tile<Math, kRows, kMost, kAdd>(factors, out, out_row);
  if constexpr (kMost == 4) {
    if (vectors == 3) return multiply_tile<Math, kRows, 3, kAdd>(factors, out, out_row);
    if (vectors == 2) return multiply_tile<Math, kRows, 2, kAdd>(factors, out, out_row);
    multiply_tile<Math, kRows, 1, kAdd>(factors, out, out_row);
  }
}

// A tile of a product: sums [kTileRows][width], of which the first `rows` are meant.
struct Tile {
  int row, rows, column, width;
  const float* sums;
};

struct Range {
  const void* begin;
  int64_t bytes;
};

// Memory that is needed after a product: it is fetched while that computes.
struct Ahead {
  static constexpr int kRanges = 4;
  Range ranges[kRanges];
};

// Fetches the ranges in equal parts.
template <class Math>
class Fetcher {
 public:
  Fetcher(const Ahead& ahead, int64_t parts) {
    for (int i = 0; i < Ahead::kRanges; ++i) {
      at_[i] = static_cast<const char*>(ahead.ranges[i].begin);
      rest_[i] = ahead.ranges[i].bytes;
      share_[i] = (rest_[i] / parts + kLine) / kLine * kLine;
    }
  }

  void next_part() {
    for (int i = 0; i < Ahead::kRanges; ++i) {
      const int64_t now = share_[i] < rest_[i] ? share_[i] : rest_[i];
      for (int64_t byte = 0; byte < now; byte += kLine) __builtin_prefetch(at_[i] + byte, 0, 2);
      at_[i] += now;
      rest_[i] -= now;
    }
  }

 private:
  static constexpr int64_t kLine = 64;
  const char* at_[Ahead::kRanges];
  int64_t rest_[Ahead::kRanges], share_[Ahead::kRanges];
};

// Calls finish(tile) for each tile of left * right. `left` is [padded_rows(rows)][depth], `right`
// in panels [depth][columns].
template <class Math, class Finish>
void product(const typename Math::Element* left, int rows, int depth,
             const typename Math::Element* right, int columns, const Ahead& ahead,
             const Finish& finish) {
  alignas(64) float sums[Math::kTileRows * Math::kPanel];
  const int64_t tiles = ((rows + Math::kTileRows - 1) / Math::kTileRows) *
                        ((columns + Math::kPanel - 1) / Math::kPanel);
  Fetcher<Math> fetcher(ahead, tiles);
  for (int column = 0; column < columns; column += Math::kPanel) {
    const int width = panel_width<Math>(columns, column);
    Factors<Math> factors{left,
                          depth,
                          Math::kPack,
                          right + int64_t{column} * depth,
                          width * Math::kPack,
                          depth / Math::kPack};
    for (int row = 0; row < rows; row += Math::kTileRows) {
      factors.left = left + int64_t{row} * depth;
      fetcher.next_part();
      multiply_rows<Math, Math::kTileRows, false>(width, factors, sums, width);
      const int rest = rows - row;
      finish(Tile{row, rest < Math::kTileRows ? rest : Math::kTileRows, column, width, sums});
    }
  }
}

// out [left_columns][right_columns] += the sum over rows of left(row, i) * right(row, j). Both in
// panels of `rows` rows, a multiple of kPack.
template <class Math>
void add_outer_products(const typename Math::Element* left, int left_columns,
                        const typename Math::Element* right, int right_columns, int rows,
                        float* out) {
  static_assert(Math::kTileRows == 6 || Math::kTileRows == 2);
  constexpr int kBlock = Math::kOuterSteps * Math::kPack;  // a right panel stays in the L1 cache
  for (int first = 0; first < rows; first += kBlock)
    for (int column = 0; column < right_columns; column += Math::kPanel) {
      const int width = panel_width<Math>(right_columns, column);
      const int block = rows - first < kBlock ? rows - first : kBlock;
      Factors<Math> factors{nullptr,
                            Math::kPack,
                            0,
                            right + int64_t{column} * rows + first * width,
                            width * Math::kPack,
                            block / Math::kPack};
      for (int panel = 0; panel < left_columns; panel += Math::kPanel) {
        const int left_width = panel_width<Math>(left_columns, panel);
        const auto* base = left + int64_t{panel} * rows + first * left_width;
        factors.left_step = left_width * Math::kPack;
        for (int i = 0; i < left_width;) {
          factors.left = base + i * Math::kPack;
          float* to = out + int64_t{panel + i} * right_columns + column;
          const int rest = left_width - i;
          if (Math::kTileRows == 6 && rest >= 6) {
            multiply_rows<Math, 6, true>(width, factors, to, right_columns);
            i += 6;
          } else if (Math::kTileRows == 6 && rest >= 4) {
            multiply_rows<Math, 4, true>(width, factors, to, right_columns);
            i += 4;
          } else {
            multiply_rows<Math, 2, true>(width, factors, to, right_columns);
            i += 2;
          }
        }
      }
    }
}

// `matrix` is [rows][columns].
template <class Math>
void pack_panels(const float* matrix, int rows, int columns, typename Math::Element* panels) {
  for (int column = 0; column < columns; column += Math::kPanel) {
    const int width = panel_width<Math>(columns, column);
    for (int row = 0; row < rows; row += 2, panels += 2 * width)
      for (int c = 0; c < width; c += Math::kLanes) {
        const float* at = matrix + int64_t{row} * columns + column + c;
        Math::store_panel(panels + c * Math::kPack, width,
                          Math::round_pair(Math::load(at), Math::load(at + columns)));
      }
  }
}

// The same for a matrix that stands as [columns][rows]; `turned` has room for it.
template <class Math>
void pack_turned_panels(const float* matrix, int rows, int columns, float* turned,
                        typename Math::Element* panels) {
  constexpr int kBlock = 16;
  for (int row = 0; row < rows; row += kBlock)
    for (int column = 0; column < columns; ++column)
      for (int r = row; r < row + kBlock; ++r)
        turned[int64_t{r} * columns + column] = matrix[int64_t{column} * rows + r];
  pack_panels<Math>(turned, rows, columns, panels);
}

}  // namespace samebits::training
