// The mask of the entropy model (requirement E1): 1 where the true value is known. Steps are
// periodic in space, so one value for each phase and channel is the whole tensor.
#pragma once

#include <cstdint>
#include <vector>

#include "codec/schedule.h"

namespace samebits {

class Mask {
 public:
  explicit Mask(int channels);

  bool known(int phase, int channel) const { return known_[phase][channel] != 0; }

  // E2, mask updater: the elements of a step have become known. They must not have been before.
  void update(const Step& step);

 private:
  std::vector<uint8_t> known_[kPhases];
};

}  // namespace samebits
