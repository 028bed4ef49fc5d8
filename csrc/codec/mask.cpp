#include "codec/mask.h"

#include <cassert>

namespace samebits {

Mask::Mask(int channels) {
  for (std::vector<uint8_t>& known : known_) known.assign(channels, 0);
}

void Mask::update(const Step& step) {
  for (const Rect& rect : step) {
    for (int phase = 0; phase < kPhases; ++phase) {
      if ((rect.phase_mask >> phase & 1) == 0) continue;
      for (int c = rect.channel_begin; c < rect.channel_end; ++c) {
        assert(!known(phase, c));
        known_[phase][c] = 1;
      }
    }
  }
}

}  // namespace samebits
