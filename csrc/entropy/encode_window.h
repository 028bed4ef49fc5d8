// What a vector encoder looks up: the bounds of the entries of all rows in one rectangle, rows down
// and symbols across. A symbol outside of its row or of the rectangle finds {0, 0} there: an entry
// with no width, which tells the encoder to look at the symbol itself.
#pragma once

#include <cstdint>
#include <vector>

namespace samebits {

struct EncodeWindow {
  int32_t first = 0;    // symbol of column 0
  uint32_t width = 0;   // column `width` is {0, 0} in every row
  uint32_t stride = 0;  // from row to row; no power of two, so that rows do not share cache sets
  std::vector<uint32_t> entries;  // begin | end << 16
};

class CdfTables;

EncodeWindow make_encode_window(const CdfTables& tables);

}  // namespace samebits
