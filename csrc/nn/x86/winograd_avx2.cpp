// AVX2 Winograd steps. Inputs are transformed in int16: sums may wrap modulo 2^16 on the way, the
// last ones do not (winograd.cpp proves it).
//
// Only intrinsics and plain pointers here: see the note in conv_kernels.h.
#include <immintrin.h>

#include <cstring>

#include "nn/winograd_kernels.h"
#include "nn/winograd_matrices.h"

namespace samebits {
namespace {

#define SAMEBITS_INLINE inline __attribute__((always_inline))

SAMEBITS_INLINE __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
SAMEBITS_INLINE void store(void* p, __m256i v) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), v);
}

// A chunk of a pixel's channels. Unless kFull, only `rest` exist and the others are read as zero.
template <bool kFull>
SAMEBITS_INLINE __m256i load_chunk(const int16_t* x, int rest) {
  if (kFull) return load(x);
  int16_t padded[kWinogradChunk] = {};
  std::memcpy(padded, x, sizeof(int16_t) * static_cast<size_t>(rest));
  return load(padded);
}

// input * d in one direction.
SAMEBITS_INLINE void transform_line(const __m256i (&d)[4], __m256i (&t)[4]) {
  t[0] = _mm256_sub_epi16(d[0], d[2]);
  t[1] = _mm256_add_epi16(d[1], d[2]);
  t[2] = _mm256_sub_epi16(d[2], d[1]);
  t[3] = _mm256_sub_epi16(d[1], d[3]);
}

SAMEBITS_INLINE void transform_line(const __m256i (&d)[6], __m256i (&t)[6]) {
  const __m256i even = _mm256_sub_epi16(d[4], _mm256_slli_epi16(d[2], 2));  // d4 - 4 d2
  const __m256i odd = _mm256_sub_epi16(d[3], _mm256_slli_epi16(d[1], 2));   // d3 - 4 d1
  const __m256i d42 = _mm256_sub_epi16(d[4], d[2]);
  const __m256i d31 = _mm256_sub_epi16(d[3], d[1]);
  const __m256i twice = _mm256_add_epi16(d31, d31);
  t[0] = _mm256_add_epi16(_mm256_slli_epi16(_mm256_sub_epi16(d[0], d[2]), 2), d42);
  t[1] = _mm256_add_epi16(even, odd);
  t[2] = _mm256_sub_epi16(even, odd);
  t[3] = _mm256_add_epi16(d42, twice);
  t[4] = _mm256_sub_epi16(d42, twice);
  t[5] = _mm256_sub_epi16(_mm256_sub_epi16(d[5], d[3]), _mm256_slli_epi16(d31, 2));
}

// Rows 0 and 2 ... of `input` sum up to 0, so a center taken off all inputs shows at position (1,
// 1) only, times the square of the sum of row 1.
template <int kTile>
constexpr int kCenterFactor = kTile == 2 ? 4 : 36;

template <int kTile, bool kFull>
SAMEBITS_INLINE void transform_chunk(const int16_t* const* pixels, int channel, int rest,
                                     __m256i center, int16_t* out, int64_t pitch) {
  constexpr int kSize = kTile + 2;
  __m256i half[kSize][kSize];  // [column][row]
  for (int j = 0; j < kSize; ++j) {
    __m256i d[kSize];
    for (int i = 0; i < kSize; ++i) d[i] = load_chunk<kFull>(pixels[i * kSize + j] + channel, rest);
    transform_line(d, half[j]);
  }
#pragma GCC unroll 6
  for (int i = 0; i < kSize; ++i) {
    __m256i d[kSize], t[kSize];
    for (int j = 0; j < kSize; ++j) d[j] = half[j][i];
    transform_line(d, t);
    if (i == 1) t[1] = _mm256_sub_epi16(t[1], center);
    for (int j = 0; j < kSize; ++j) store(out + (i * kSize + j) * pitch, t[j]);
  }
}

template <int kTile>
void transform_inputs(const WinogradInputs& job) {
  const __m256i center = _mm256_set1_epi16(static_cast<int16_t>(kCenterFactor<kTile> * job.center));
  int16_t* out = job.out;
  int c = 0;
  for (; c + kWinogradChunk <= job.channels; c += kWinogradChunk) {
    transform_chunk<kTile, true>(job.pixels, c, kWinogradChunk, center, out, job.out_pitch);
    out += kWinogradStep * kWinogradChunk;
  }
  if (c < job.channels)
    transform_chunk<kTile, false>(job.pixels, c, job.channels - c, center, out, job.out_pitch);
}

SAMEBITS_INLINE __m256i broadcast_pair(const int16_t* x) {
  int32_t pair;
  std::memcpy(&pair, x, sizeof pair);
  return _mm256_set1_epi32(pair);
}

// GCC would make all products of an unrolled loop first, into memory, and add them up later.
// Nothing happens here, but it cannot know.
SAMEBITS_INLINE void keep_order(__m256i (&sum)[2]) {
  __asm__("" : "+x"(sum[0]), "+x"(sum[1]));
}

// Six tiles times 16 output channels: twelve sums, two weights, an input and a product fill the
// registers.
void multiply_step(const int16_t* in, const int16_t* w, int chunks, int32_t* out) {
  __m256i sum[kWinogradStep][2];
#pragma GCC unroll 6
  for (int t = 0; t < kWinogradStep; ++t) sum[t][0] = sum[t][1] = _mm256_setzero_si256();
  for (int chunk = 0; chunk < chunks; ++chunk) {
#pragma GCC unroll 8
    for (int pair = 0; pair < kWinogradChunk / 2; ++pair, w += 32) {
      const __m256i w0 = load(w), w1 = load(w + 16);
#pragma GCC unroll 6
      for (int t = 0; t < kWinogradStep; ++t) {
        const __m256i x = broadcast_pair(in + t * kWinogradChunk + pair * 2);
        sum[t][0] = _mm256_add_epi32(sum[t][0], _mm256_madd_epi16(x, w0));
        sum[t][1] = _mm256_add_epi32(sum[t][1], _mm256_madd_epi16(x, w1));
        keep_order(sum[t]);
      }
    }
    in += kWinogradStep * kWinogradChunk;
  }
#pragma GCC unroll 6
  for (int t = 0; t < kWinogradStep; ++t) {
    store(out + t * kWinogradGroup, sum[t][0]);
    store(out + t * kWinogradGroup + 8, sum[t][1]);
  }
}

void multiply(const WinogradProducts& job) {
  const int64_t step_inputs = int64_t{job.chunks} * kWinogradStep * kWinogradChunk;
  for (int g = 0; g < job.groups; ++g)
    for (int s = 0; s < job.steps; ++s)
      multiply_step(job.inputs + s * step_inputs, job.weights + g * job.weights_pitch, job.chunks,
                    job.out + g * job.out_pitch + s * kWinogradStep * kWinogradGroup);
}

// output * v in one direction.
SAMEBITS_INLINE void transform_back(const __m256i (&v)[4], __m256i (&y)[2]) {
  y[0] = _mm256_add_epi32(_mm256_add_epi32(v[0], v[1]), v[2]);
  y[1] = _mm256_sub_epi32(_mm256_sub_epi32(v[1], v[2]), v[3]);
}

SAMEBITS_INLINE void transform_back(const __m256i (&v)[6], __m256i (&y)[4]) {
  const __m256i sum12 = _mm256_add_epi32(v[1], v[2]), sum34 = _mm256_add_epi32(v[3], v[4]);
  const __m256i dif12 = _mm256_sub_epi32(v[1], v[2]), dif34 = _mm256_sub_epi32(v[3], v[4]);
  y[0] = _mm256_add_epi32(_mm256_add_epi32(v[0], _mm256_slli_epi32(sum12, 2)), sum34);
  y[1] = _mm256_add_epi32(_mm256_add_epi32(dif12, dif12), dif34);
  y[2] = _mm256_add_epi32(sum12, sum34);
  y[3] = _mm256_add_epi32(_mm256_add_epi32(dif12, v[5]), _mm256_add_epi32(dif34, dif34));
}

// Eight output channels of a tile.
template <int kTile>
SAMEBITS_INLINE void transform_back_tile(const int32_t* products, int64_t pitch, __m256i bias,
                                         int32_t* acc, int64_t row) {
  constexpr WinogradMatrices m = winograd_matrices(kTile);
  constexpr int kSize = kTile + 2;
  __m256i half[kSize][kTile];  // [column][row]
  for (int j = 0; j < kSize; ++j) {
    __m256i v[kSize];
    for (int i = 0; i < kSize; ++i) v[i] = load(products + (i * kSize + j) * pitch);
    transform_back(v, half[j]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < kTile; ++i) {
    __m256i v[kSize], y[kTile];
    for (int j = 0; j < kSize; ++j) v[j] = half[j][i];
    transform_back(v, y);
#pragma GCC unroll 4
    for (int j = 0; j < kTile; ++j) {
      if (m.inverse != 1)
        y[j] = _mm256_mullo_epi32(y[j], _mm256_set1_epi32(static_cast<int>(m.inverse)));
      y[j] = _mm256_srai_epi32(y[j], m.shift[i] + m.shift[j]);
      store(acc + i * row + j * kWinogradGroup, _mm256_add_epi32(y[j], bias));
    }
  }
}

template <int kTile>
void transform_outputs(const WinogradOutputs& job) {
  const __m256i bias0 = load(job.bias), bias1 = load(job.bias + 8);
  const int64_t row = int64_t{job.tiles} * kTile * kWinogradGroup;
  for (int t = 0; t < job.tiles; ++t) {
    const int32_t* products = job.products + int64_t{t} * kWinogradGroup;
    int32_t* acc = job.acc + int64_t{t} * kTile * kWinogradGroup;
    transform_back_tile<kTile>(products, job.products_pitch, bias0, acc, row);
    transform_back_tile<kTile>(products + 8, job.products_pitch, bias1, acc + 8, row);
  }
}

}  // namespace

WinogradKernels winograd_kernels_avx2(int tile) {
  if (tile == 2) return {transform_inputs<2>, multiply, transform_outputs<2>, 1};
  return {transform_inputs<4>, multiply, transform_outputs<4>, 1};
}

}  // namespace samebits
