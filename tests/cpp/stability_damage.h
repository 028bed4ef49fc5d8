// What codes that tell outcomes apart must do when they are damaged.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "check.h"

namespace samebits {

// `resolve` takes a code, and gives flips of `size` elements.
template <typename Resolve>
void check_damaged_codes(Random& random, const std::vector<uint8_t>& code, size_t size, int turns,
                         const Resolve& resolve) {
  for (int turn = 0; turn < turns; ++turn) {
    std::vector<uint8_t> damaged = code;
    if (turn % 3 == 0) damaged.resize(random.between(0, static_cast<int>(code.size())));
    if (turn % 3 == 1) damaged.push_back(static_cast<uint8_t>(random.between(0, 255)));
    for (uint8_t& byte : damaged) {
      if (random.between(0, 9) == 0) byte = static_cast<uint8_t>(random.between(0, 255));
    }
    try {
      CHECK(resolve(damaged).size() == size);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::corrupt_stream || error.kind() == ErrorKind::truncated);
    }
  }
}

}  // namespace samebits
