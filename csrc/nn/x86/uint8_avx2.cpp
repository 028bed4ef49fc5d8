// AVX2 uint8 convolutions for weights whose pairs are safe (conv_uint8.h). vpmaddubsw makes pairs
// of products in int16, vpmaddwd with ones adds two pairs in int32: three instructions for what the
// int16 kernels need four.
//
// Only intrinsics and plain pointers here: see the note in conv_kernels.h.
#include <immintrin.h>

#include <cstring>

#include "nn/conv_uint8_kernels.h"

namespace samebits {
namespace {

#define SAMEBITS_INLINE inline __attribute__((always_inline))

constexpr int kPixels = 6;  // of a register tile, with 16 output channels

SAMEBITS_INLINE __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
SAMEBITS_INLINE void store(void* p, __m256i v) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), v);
}

// Four channels of a pixel in every lane; of the last ones only `count` exist.
template <bool kFull>
SAMEBITS_INLINE __m256i broadcast_quad(const uint8_t* x, int count) {
  int32_t quad = 0;
  std::memcpy(&quad, x, kFull ? 4 : static_cast<size_t>(count));
  return _mm256_set1_epi32(quad);
}

template <int P, bool kFull>
SAMEBITS_INLINE void add_quad(__m256i (&sum)[P][2], const uint8_t* const (&in)[P], int channel,
                              int count, const int8_t* w) {
  const __m256i w0 = load(w), w1 = load(w + 32), ones = _mm256_set1_epi16(1);
#pragma GCC unroll 6
  for (int p = 0; p < P; ++p) {
    const __m256i x = broadcast_quad<kFull>(in[p] + channel, count);
    sum[p][0] = _mm256_add_epi32(sum[p][0], _mm256_madd_epi16(_mm256_maddubs_epi16(x, w0), ones));
    sum[p][1] = _mm256_add_epi32(sum[p][1], _mm256_madd_epi16(_mm256_maddubs_epi16(x, w1), ones));
  }
}

template <int P>
void tile(const Uint8Block& block, const int8_t* w, const int32_t* bias, int first, int32_t* acc) {
  __m256i sum[P][2];
#pragma GCC unroll 6
  for (int p = 0; p < P; ++p) {
    sum[p][0] = load(bias);
    sum[p][1] = load(bias + 8);
  }
  const int rest = block.in_channels % 4, whole = block.in_channels - rest;
  for (int t = 0; t < block.taps; ++t) {
    const uint8_t* in[P];
    for (int p = 0; p < P; ++p) in[p] = block.inputs[t * block.pixels + first + p];
    for (int i = 0; i < whole; i += 4, w += 64) add_quad<P, true>(sum, in, i, 4, w);
    if (rest != 0) {
      add_quad<P, false>(sum, in, whole, rest, w);
      w += 64;
    }
  }
#pragma GCC unroll 6
  for (int p = 0; p < P; ++p) {
    store(acc + p * 16, sum[p][0]);
    store(acc + p * 16 + 8, sum[p][1]);
  }
}

using Tile = void (*)(const Uint8Block&, const int8_t*, const int32_t*, int, int32_t*);

void run(const Uint8Block& block) {
  constexpr Tile kTiles[] = {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>};
  const int64_t group_weights = int64_t{block.taps} * ((block.in_channels + 3) / 4) * 64;
  for (int g = 0; g < block.groups; ++g)
    for (int p = 0; p < block.pixels; p += kPixels) {
      const int pixels = block.pixels - p < kPixels ? block.pixels - p : kPixels;
      kTiles[pixels - 1](block, block.weight + g * group_weights, block.bias + g * 16, p,
                         block.acc + (static_cast<int64_t>(g) * block.pixels + p) * 16);
    }
}

}  // namespace

const Uint8Kernel kUint8Avx2{1, run};

}  // namespace samebits
