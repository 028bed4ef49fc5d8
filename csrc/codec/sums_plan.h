// Which context sums a schedule needs, known before anything is coded (arithmetic.md 4).
//
// Elements of different views read different sums. As long as two views have seen the same known
// elements they share one buffer; it is copied after the first step that only one of them sees, and
// dropped after the last step that reads it.
#pragma once

#include <vector>

#include "codec/schedule.h"

namespace samebits {

struct SumsPlan {
  struct Copy {
    int from, to;
    bool operator==(const Copy&) const = default;
  };
  // What happens at a step; numbers are buffers. At first there is buffer 0.
  struct AtStep {
    std::vector<int> read;  // by the step's rectangles, one each
    // Then, when the step's values are known, in this order:
    std::vector<int> drops;
    std::vector<Copy> copies;               // into buffers that are not in use
    std::vector<std::vector<int>> adds_to;  // for each rectangle: who sees it and is still needed
  };
  std::vector<AtStep> steps;
  int buffers = 1;  // numbers are below this; the most that are ever in use
};

SumsPlan plan_sums(const Schedule& schedule);

}  // namespace samebits
