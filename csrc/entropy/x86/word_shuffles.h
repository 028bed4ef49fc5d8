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

// words[mask] brings the 16-bit words of the lanes of the mask together, lanes[mask] their numbers.
struct WordPacking {
  alignas(16) uint8_t words[256][16];
  alignas(8) uint8_t lanes[256][8];

  constexpr WordPacking() : words(), lanes() {
    for (int mask = 0; mask < 256; ++mask) {
      int count = 0;
      for (int lane = 0; lane < 8; ++lane) {
        if ((mask >> lane & 1) == 0) continue;
        words[mask][2 * count] = static_cast<uint8_t>(2 * lane);
        words[mask][2 * count + 1] = static_cast<uint8_t>(2 * lane + 1);
        lanes[mask][count] = static_cast<uint8_t>(lane);
        ++count;
      }
    }
  }
};

}  // namespace samebits
