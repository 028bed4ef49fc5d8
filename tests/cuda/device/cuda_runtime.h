// The CUDA runtime of a real GPU for the tests that are also run on the emulator, with what they
// ask of the emulator.
#pragma once

#include_next <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace emulator {

// Memory does not run out here, and the device is not lost, because a test wants it.
constexpr bool kIsEmulated = false;
inline void set_seed(uint64_t) {}
inline void limit_device_memory(size_t) {}
inline void lose_device(bool) {}
inline size_t device_memory_in_use() {
  return 0;
}

}  // namespace emulator
