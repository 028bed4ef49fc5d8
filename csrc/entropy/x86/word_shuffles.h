// Shuffles by the mask of the lanes that read or write a word.
#pragma once

#include <cstdint>

namespace samebits {

// pick[mask] brings word k to lane l, as 32 bits, if l is the k-th lane of the mask, 0 elsewhere;
// for both halves of a vector that holds the eight words twice.
struct WordSpread {
  alignas(32) uint8_t pick[256][32];

  constexpr WordSpread() : pick() {
    for (int mask = 0; mask < 256; ++mask) {
      int word = 0;
      for (int lane = 0; lane < 8; ++lane) {
        const bool asks = (mask >> lane & 1) != 0;
        for (int byte = 0; byte < 4; ++byte) {
          pick[mask][4 * lane + byte] =
              static_cast<uint8_t>(asks && byte < 2 ? 2 * word + byte : 0x80);
        }
        word += asks ? 1 : 0;
      }
    }
  }
};

}  // namespace samebits
