// AVX-512 VNNI products of a Winograd convolution. The transforms are those of AVX2: they are a
// small part, and processors run both widths at the same rate or nearly.
//
// Only intrinsics and plain pointers here: see the note in conv_kernels.h.
#include <immintrin.h>

#include <cstring>

#include "nn/winograd_kernels.h"

namespace samebits {
namespace {

constexpr int kGroups = 4;  // six tiles times 64 output channels: 24 sums, 4 weights, an input

__m512i load(const void* p) {
  return _mm512_loadu_si512(p);
}

__m512i broadcast_pair(const int16_t* x) {
  int32_t pair;
  std::memcpy(&pair, x, sizeof pair);
  return _mm512_set1_epi32(pair);
}

// vpdpwssd adds both products of a pair to the sum, modulo 2^32.
template <int G>
void multiply_step(const WinogradProducts& job, int step) {
  __m512i sum[kWinogradStep][G];
#pragma GCC unroll 6
  for (int t = 0; t < kWinogradStep; ++t)
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g) sum[t][g] = _mm512_setzero_si512();
  const int16_t* in =
      job.inputs + static_cast<int64_t>(step) * job.chunks * kWinogradStep * kWinogradChunk;
  const int16_t* w = job.weights;
  for (int chunk = 0; chunk < job.chunks; ++chunk, in += kWinogradStep * kWinogradChunk)
#pragma GCC unroll 8
    for (int pair = 0; pair < kWinogradChunk / 2; ++pair, w += 2 * kWinogradGroup) {
      __m512i weights[G];
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g) weights[g] = load(w + g * job.weights_pitch);
#pragma GCC unroll 6
      for (int t = 0; t < kWinogradStep; ++t) {
        const __m512i x = broadcast_pair(in + t * kWinogradChunk + pair * 2);
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) sum[t][g] = _mm512_dpwssd_epi32(sum[t][g], x, weights[g]);
      }
    }
  int32_t* out = job.out + static_cast<int64_t>(step) * kWinogradStep * kWinogradGroup;
#pragma GCC unroll 6
  for (int t = 0; t < kWinogradStep; ++t)
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g)
      _mm512_storeu_si512(out + t * kWinogradGroup + g * job.out_pitch, sum[t][g]);
}

// At most kGroups groups.
void multiply(const WinogradProducts& job) {
  using Step = void (*)(const WinogradProducts&, int);
  constexpr Step kSteps[] = {multiply_step<1>, multiply_step<2>, multiply_step<3>,
                             multiply_step<4>};
  const Step run = kSteps[job.groups - 1];
  for (int s = 0; s < job.steps; ++s) run(job, s);
}

}  // namespace

WinogradKernels winograd_kernels_avx512(WinogradTile tile) {
  WinogradKernels kernels = winograd_kernels_avx2(tile);
  kernels.multiply = multiply;
  kernels.groups = kGroups;
  return kernels;
}

}  // namespace samebits
