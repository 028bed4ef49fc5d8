// What a caller allows a picture to cost. Checked before memory is taken.
#pragma once

#include <cstdint>

namespace samebits {

struct Limits {
  int64_t max_pixels = int64_t{1} << 28;
  int64_t max_bytes = int64_t{1} << 30;  // of working set, the picture included
};

}  // namespace samebits
