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

// A chunk of a matrix for the products to come: rows for those that sum over columns, panels for
// those that sum over rows. Either may be null.
template <class Math>
struct RoundedRows {
  using Element = typename Math::Element;
  using Vector = typename Math::Vector;
  Element* rows;
  Element* panels;
  int columns;
  int padded;  // rows of the panels

  // Rows r (even) and r + 1, which must exist in the panels and count as zero if not `both`.
  void put(int r, bool both, int column, Vector first, Vector second) const {
    if (!both) second = Math::zero();
    const typename Math::Pair pair = Math::round_pair(first, second);
    if (rows != nullptr) {
      Element* at = rows + int64_t{r} * columns + column;
      if (both)
        Math::store_rows(at, at + columns, pair);
      else
        Math::store_row(at, pair);
    }
    if (panels != nullptr) {
      int width;
      Element* at = panels + place(r, column, &width);
      Math::store_panel(at, width, pair);
    }
  }

  int64_t place(int r, int column, int* width) const {
    const int panel = column / Math::kPanel * Math::kPanel;
    *width = panel_width<Math>(columns, panel);
    return int64_t{panel} * padded + int64_t{r} * *width + (column - panel) * Math::kPack;
  }
};

// Calls at(r, both, column) for pairs of rows and vectors of columns.
template <class Math, class At>
void for_pairs(int rows, int columns, const At& at) {
  for (int r = 0; r < rows; r += 2)
    for (int column = 0; column < columns; column += Math::kLanes) at(r, r + 1 < rows, column);
}

template <class Math>
void round_rows(const float* from, int rows, const RoundedRows<Math>& to) {
  for_pairs<Math>(rows, to.columns, [&](int r, bool both, int column) {
    const float* at = from + int64_t{r} * to.columns + column;
    to.put(r, both, column, Math::load(at), both ? Math::load(at + to.columns) : Math::zero());
  });
}

// change(row, column, value) of one row as a change of pairs.
template <class Math, class Change>
auto each_row(const Change& change) {
  using Vector = typename Math::Vector;
  return [change](int row, bool both, int column, Vector& first, Vector& second) {
    first = change(row, column, first);
    if (both) second = change(row + 1, column, second);
  };
}

// left * right, where `change` (row, both, column, &first, &second) makes two sums, one below the
// other, what is wanted; that goes to `to`, and is added to `totals` [columns] if that is not null.
template <class Math, class Change>
void changed_product(const typename Math::Element* left, int rows, int depth,
                     const typename Math::Element* right, const RoundedRows<Math>& to,
                     float* totals, const Change& change) {
  using Vector = typename Math::Vector;
  const auto finish = [&](int row, int tile_rows, int column, int width, const float* sums) {
    for (int v = 0; v < width; v += Math::kLanes) {
      Vector total = Math::zero();
      for (int r = 0; r < tile_rows; r += 2) {
        const bool both = r + 1 < tile_rows;
        const float* at = sums + r * width + v;
        Vector first = Math::load(at);
        Vector second = both ? Math::load(at + width) : Math::zero();
        change(row + r, both, column + v, first, second);
        to.put(row + r, both, column + v, first, second);
        total = Math::add(total, Math::add(first, second));
      }
      if (totals != nullptr) {
        float* sum = totals + column + v;
        Math::store(sum, Math::add(Math::load(sum), total));
      }
    }
  };
  product<Math>(left, rows, depth, right, to.columns, finish);
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
