// From operations to stages: what runs together, and when a value's rows are no longer needed.
#include "nn/network.h"

namespace samebits {

void Network::make_stages() {
  stages_.clear();
  for (size_t n = 0; n < operations_.size(); ++n) {
    const Operation& op = operations_[n];
    stages_.push_back({op.opcode, op.src, op.src2, static_cast<int>(n) + 1, op.layer, -1, op.factor,
                       op.lo, op.hi});
  }
  std::vector<int> last_use(values_.size(), -1);
  for (size_t n = 0; n < stages_.size(); ++n) {
    const Stage& stage = stages_[n];
    last_use[stage.out] = last_use[stage.src] = static_cast<int>(n);
    if (stage.src2 >= 0) last_use[stage.src2] = static_cast<int>(n);
  }
  ended_by_.assign(stages_.size(), {});
  for (size_t value = 0; value < values_.size(); ++value)
    if (last_use[value] >= 0) ended_by_[last_use[value]].push_back(static_cast<int>(value));
}

}  // namespace samebits
