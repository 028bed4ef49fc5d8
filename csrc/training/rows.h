// Steps between products, on pairs of rows: rounding for the next product, leaky, sums of columns.
#pragma once

#include <cstddef>
#include <cstdint>

#include "training/panels.h"

namespace samebits::training {

template <class Math>
typename Math::Vector leaky(typename Math::Vector v, float slope) {
  return Math::max(v, Math::multiply(v, Math::broadcast(slope)));
}

// The gradient before a leaky whose result was `value`.
template <class Math>
typename Math::Vector leaky_gradient(typename Math::Vector gradient, typename Math::Vector value,
                                     float slope) {
  return Math::where_positive(value, gradient, Math::multiply(gradient, Math::broadcast(slope)));
}

// Two rows, one below the other, at a vector of columns.
struct Spot {
  int row;  // even; the upper one
  int column;
  bool both;      // false where the lower one does not exist
  int64_t place;  // of the upper one in panels
};

// A chunk of a matrix, rounded for the products to come: as rows for those that sum over columns,
// in panels for those that sum over rows.
template <class Math, bool kRows, bool kPanels>
struct Rounded {
  using Element = typename Math::Element;
  using Vector = typename Math::Vector;
  Element *rows, *panels;
  int columns;
  int padded;  // rows of the panels

  // A lower row that does not exist is zero in the panels.
  void put(const Spot& spot, Vector first, Vector second) const {
    if constexpr (kRows || kPanels) {
      const typename Math::Pair pair = Math::round_pair(first, spot.both ? second : Math::zero());
      if constexpr (kRows) {
        Element* at = rows + int64_t{spot.row} * columns + spot.column;
        if (spot.both)
          Math::store_rows(at, at + columns, pair);
        else
          Math::store_row(at, pair);
      }
      if constexpr (kPanels)
        Math::store_panel(panels + spot.place, panel_width_at<Math>(columns, spot.column), pair);
    }
  }
};

template <class Math>
Rounded<Math, false, false> nowhere(int columns) {
  return {nullptr, nullptr, columns, 0};
}

template <class Math>
Rounded<Math, true, false> as_rows(typename Math::Element* rows, int columns) {
  return {rows, nullptr, columns, 0};
}

template <class Math>
Rounded<Math, false, true> as_panels(typename Math::Element* panels, int columns, int padded) {
  return {nullptr, panels, columns, padded};
}

template <class Math>
Rounded<Math, true, true> as_both(typename Math::Element* rows, typename Math::Element* panels,
                                  int columns, int padded) {
  return {rows, panels, columns, padded};
}

// Calls at(spot) for all spots of `rows` rows at one vector of columns.
template <class Math, class At>
void for_column(int rows, int column, int columns, int padded, const At& at) {
  const int panel = column / Math::kPanel * Math::kPanel;
  const int width = panel_width<Math>(columns, panel);
  int64_t place = int64_t{panel} * padded + (column - panel) * Math::kPack;
  int r = 0;
  for (; r + 1 < rows; r += 2, place += 2 * width) at(Spot{r, column, true, place});
  if (r < rows) at(Spot{r, column, false, place});
}

template <class Math, class To>
void round_rows(const float* from, int rows, const To& to) {
  const int columns = to.columns;
  for (int r = 0; r < rows; r += 2)
    for (int panel = 0; panel < columns; panel += Math::kPanel) {
      const int width = panel_width<Math>(columns, panel);
      const float* at = from + int64_t{r} * columns + panel;
      const int64_t place = int64_t{panel} * to.padded + int64_t{r} * width;
      const bool both = r + 1 < rows;
      for (int v = 0; v < width; v += Math::kLanes)
        to.put({r, panel + v, both, place + v * Math::kPack}, Math::load(at + v),
               both ? Math::load(at + columns + v) : Math::zero());
    }
}

// change(row, column, value) of one row as a change of spots.
template <class Math, class Change>
auto each_row(const Change& change) {
  using Vector = typename Math::Vector;
  return [change](const Spot& spot, Vector& first, Vector& second) {
    first = change(spot.row, spot.column, first);
    if (spot.both) second = change(spot.row + 1, spot.column, second);
  };
}

// left * right, where change(spot, &first, &second) makes two sums what is wanted; that goes to
// `to`, and is added to `totals` [columns] if that is not null.
template <class Math, class To, class Change>
void changed_product(const typename Math::Element* left, int rows, int depth,
                     const typename Math::Element* right, const To& to, float* totals,
                     const Ahead& ahead, const Change& change) {
  using Vector = typename Math::Vector;
  const auto column_of = [&](const Tile& tile, int rows_here, int v) {
    Vector total = Math::zero();
    int64_t place = int64_t{tile.column} * to.padded + int64_t{tile.row} * tile.width;
    place += v * Math::kPack;
    for (int r = 0; r < rows_here; r += 2, place += 2 * tile.width) {
      const Spot spot{tile.row + r, tile.column + v, r + 1 < rows_here, place};
      const float* at = tile.sums + r * tile.width + v;
      Vector first = Math::load(at);
      Vector second = spot.both ? Math::load(at + tile.width) : Math::zero();
      change(spot, first, second);
      to.put(spot, first, second);
      total = Math::add(total, Math::add(first, second));
    }
    if (totals != nullptr) {
      float* sum = totals + tile.column + v;
      Math::store(sum, Math::add(Math::load(sum), total));
    }
  };
  product<Math>(left, rows, depth, right, to.columns, ahead, [&](const Tile& tile) {
    if (tile.rows == Math::kTileRows)
      for (int v = 0; v < tile.width; v += Math::kLanes) column_of(tile, Math::kTileRows, v);
    else
      for (int v = 0; v < tile.width; v += Math::kLanes) column_of(tile, tile.rows, v);
  });
}

template <class Math>
void fill_zero(float* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = 0.0f;
}

template <class Math>
void add_columns(const float* from, int rows, int columns, float* totals) {
  for (int column = 0; column < columns; column += Math::kLanes) {
    typename Math::Vector total = Math::load(totals + column);
    for (int r = 0; r < rows; ++r)
      total = Math::add(total, Math::load(from + int64_t{r} * columns + column));
    Math::store(totals + column, total);
  }
}

}  // namespace samebits::training
