// AVX-512 VNNI uint8 convolutions: vpdpbusd adds four products to an int32 sum and never saturates,
// so that any weights will do.
//
// Only intrinsics and plain pointers here: see the note in conv_kernels.h.
#include <immintrin.h>

#include <cstring>

#include "nn/conv_uint8_kernels.h"

namespace samebits {
namespace {

constexpr int kPixels = 6;  // of a register tile, with 64 output channels
constexpr int kGroups = 4;

// Four channels of a pixel in every lane; of the last ones only `count` exist.
template <bool kFull>
inline __attribute__((always_inline)) __m512i broadcast_quad(const uint8_t* x, int count) {
  int32_t quad = 0;
  std::memcpy(&quad, x, kFull ? 4 : static_cast<size_t>(count));
  return _mm512_set1_epi32(quad);
}

template <int P, int G, bool kFull>
inline __attribute__((always_inline)) void add_quad(__m512i (&sum)[P][G],
                                                    const uint8_t* const (&in)[P], int channel,
                                                    int count, const int8_t* w, int64_t pitch) {
  __m512i weights[G];
#pragma GCC unroll 4
  for (int g = 0; g < G; ++g) weights[g] = _mm512_loadu_si512(w + g * pitch);
#pragma GCC unroll 6
  for (int p = 0; p < P; ++p) {
    const __m512i x = broadcast_quad<kFull>(in[p] + channel, count);
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g) sum[p][g] = _mm512_dpbusd_epi32(sum[p][g], x, weights[g]);
  }
}

// P pixels from `first` on times G groups of 16 output channels from `group` on.
template <int P, int G>
void tile(const Uint8Block& block, int group, int first) {
  __m512i sum[P][G];
#pragma GCC unroll 4
  for (int g = 0; g < G; ++g) {
    const __m512i bias = _mm512_loadu_si512(block.bias + (group + g) * 16);
#pragma GCC unroll 6
    for (int p = 0; p < P; ++p) sum[p][g] = bias;
  }
  const int rest = block.in_channels % 4, whole = block.in_channels - rest;
  const int64_t pitch = int64_t{block.taps} * ((block.in_channels + 3) / 4) * 64;
  const int8_t* w = block.weight + group * pitch;
  for (int t = 0; t < block.taps; ++t) {
    const uint8_t* in[P];
    for (int p = 0; p < P; ++p) in[p] = block.inputs[t * block.pixels + first + p];
    for (int i = 0; i < whole; i += 4, w += 64) add_quad<P, G, true>(sum, in, i, 4, w, pitch);
    if (rest != 0) {
      add_quad<P, G, false>(sum, in, whole, rest, w, pitch);
      w += 64;
    }
  }
#pragma GCC unroll 6
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g)
      _mm512_storeu_si512(
          block.acc + (static_cast<int64_t>(group + g) * block.pixels + first + p) * 16, sum[p][g]);
}

using Tile = void (*)(const Uint8Block&, int group, int first);

template <int G>
constexpr Tile kTiles[] = {tile<1, G>, tile<2, G>, tile<3, G>, tile<4, G>, tile<5, G>, tile<6, G>};

void run(const Uint8Block& block) {
  constexpr const Tile* kByGroups[kGroups] = {kTiles<1>, kTiles<2>, kTiles<3>, kTiles<4>};
  for (int g = 0; g < block.groups; g += kGroups) {
    const int groups = block.groups - g < kGroups ? block.groups - g : kGroups;
    for (int p = 0; p < block.pixels; p += kPixels) {
      const int pixels = block.pixels - p < kPixels ? block.pixels - p : kPixels;
      kByGroups[groups - 1][pixels - 1](block, g, p);
    }
  }
}

}  // namespace

const Uint8Kernel kUint8Avx512{kGroups, run};

}  // namespace samebits
