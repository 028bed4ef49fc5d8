// Stands before the compiler's <immintrin.h> where the AVX-512 kernels are compiled for a machine
// without AVX-512: SIMDe's functions take the names of the intrinsics, and the three arithmetic
// shifts that SIMDe 0.7 does not have are written here as the instruction set manual defines them.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "avx512_lanes.h"

namespace samebits_emulation {

template <class Lane>
Lane shift_right(Lane value, uint64_t count) {
  constexpr uint64_t kLast = 8 * sizeof(Lane) - 1;
  return value >> (count < kLast ? count : kLast);
}

template <class Lane>
simde__m512i shift_lanes(simde__m512i values, simde__m512i counts) {
  constexpr int kLanes = 64 / sizeof(Lane);
  Lane value[kLanes], count[kLanes];
  std::memcpy(value, &values, sizeof value);
  std::memcpy(count, &counts, sizeof count);
  for (int i = 0; i < kLanes; ++i)
    value[i] = shift_right(value[i], static_cast<std::make_unsigned_t<Lane>>(count[i]));
  std::memcpy(&values, value, sizeof value);
  return values;
}

}  // namespace samebits_emulation

inline simde__m512i _mm512_srav_epi32(simde__m512i values, simde__m512i counts) {
  return samebits_emulation::shift_lanes<int32_t>(values, counts);
}

inline simde__m512i _mm512_srav_epi64(simde__m512i values, simde__m512i counts) {
  return samebits_emulation::shift_lanes<int64_t>(values, counts);
}

// One count, 64 bits, for all lanes.
inline simde__m512i _mm512_sra_epi32(simde__m512i values, simde__m128i count) {
  uint64_t n;
  std::memcpy(&n, &count, sizeof n);
  return _mm512_srav_epi32(values, _mm512_set1_epi32(n < 31 ? static_cast<int>(n) : 31));
}
