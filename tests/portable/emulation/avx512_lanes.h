// Intrinsics of the range coder's AVX-512 kernels that SIMDe 0.7 does not have, written lane by
// lane as the instruction set manual defines them. Needs SIMDe with its native aliases.
#pragma once

#include <simde/x86/avx512.h>

#include <cstdint>
#include <cstring>

using __mmask16 = simde__mmask16;

// SIMDe gives this name to the version with a mask.
#undef _mm512_madd_epi16
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)

namespace samebits_emulation {

template <class To, class From, class Vector>
Vector each_lane(const void* values, To (*change)(From)) {
  constexpr int kLanes = 16;
  From from[kLanes];
  To to[kLanes];
  std::memcpy(from, values, sizeof from);
  for (int i = 0; i < kLanes; ++i) to[i] = change(from[i]);
  Vector result;
  static_assert(sizeof result == sizeof to);
  std::memcpy(&result, to, sizeof result);
  return result;
}

template <class To, class From>
To converted(From value) {
  return static_cast<To>(value);
}

}  // namespace samebits_emulation

inline simde__m512 _mm512_cvtepu32_ps(simde__m512i a) {
  using namespace samebits_emulation;
  return each_lane<float, uint32_t, simde__m512>(&a, converted);
}
inline simde__m512i _mm512_cvttps_epi32(simde__m512 a) {
  using namespace samebits_emulation;
  return each_lane<int32_t, float, simde__m512i>(&a, converted);
}
inline simde__m512i _mm512_cvtepu8_epi32(simde__m128i a) {
  using namespace samebits_emulation;
  return each_lane<uint32_t, uint8_t, simde__m512i>(&a, converted);
}
inline simde__m512i _mm512_cvtepu16_epi32(simde__m256i a) {
  using namespace samebits_emulation;
  return each_lane<uint32_t, uint16_t, simde__m512i>(&a, converted);
}
inline simde__m256i _mm512_cvtepi32_epi16(simde__m512i a) {
  using namespace samebits_emulation;
  return each_lane<uint16_t, uint32_t, simde__m256i>(&a, converted);
}
inline simde__m128i _mm512_cvtepi32_epi8(simde__m512i a) {
  using namespace samebits_emulation;
  return each_lane<uint8_t, uint32_t, simde__m128i>(&a, converted);
}

inline simde__m512i _mm512_srai_epi32(simde__m512i a, unsigned count) {
  int32_t lanes[16];
  std::memcpy(lanes, &a, sizeof a);
  for (int32_t& lane : lanes) lane >>= count < 31 ? count : 31;
  std::memcpy(&a, lanes, sizeof a);
  return a;
}

inline simde__m512i _mm512_mask_slli_epi32(simde__m512i other, simde__mmask16 mask, simde__m512i a,
                                           unsigned count) {
  return simde_mm512_mask_mov_epi32(other, mask, simde_mm512_slli_epi32(a, count));
}

inline simde__m512i _mm512_mulhi_epu16(simde__m512i a, simde__m512i b) {
  uint16_t x[32], y[32];
  std::memcpy(x, &a, sizeof a);
  std::memcpy(y, &b, sizeof b);
  for (int i = 0; i < 32; ++i) x[i] = static_cast<uint16_t>(uint32_t{x[i]} * y[i] >> 16);
  std::memcpy(&a, x, sizeof a);
  return a;
}

inline simde__m512i _mm512_maskz_expand_epi32(simde__mmask16 mask, simde__m512i a) {
  uint32_t packed[16], spread[16] = {};
  std::memcpy(packed, &a, sizeof a);
  for (int i = 0, next = 0; i < 16; ++i)
    if (mask >> i & 1) spread[i] = packed[next++];
  std::memcpy(&a, spread, sizeof a);
  return a;
}
