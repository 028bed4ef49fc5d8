// AVX2 Winograd steps. Inputs are transformed in int16: sums may wrap modulo 2^16 on the way, the
// last ones do not (winograd_plan.cpp proves it).
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

SAMEBITS_INLINE void transform_line(const __m256i (&d)[5], __m256i (&t)[5]) {
  const __m256i d31 = _mm256_sub_epi16(d[3], d[1]);
  const __m256i d02 = _mm256_sub_epi16(d[0], d[2]);
  const __m256i d12 = _mm256_sub_epi16(d[1], d[2]);
  t[0] = _mm256_add_epi16(_mm256_add_epi16(d02, d02), d31);
  t[1] = _mm256_sub_epi16(d31, _mm256_add_epi16(d[1], d[2]));
  t[2] = _mm256_add_epi16(_mm256_sub_epi16(d[3], d[2]), _mm256_add_epi16(d12, d12));
  t[3] = d31;
  t[4] = _mm256_sub_epi16(_mm256_sub_epi16(d[4], d[2]), _mm256_add_epi16(d31, d31));
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

// All rows of `input` but row 1 sum up to 0, so a center taken off all inputs shows at position
// (1, 1) only, times the sums of both rows 1.
constexpr int row1_sum(const WinogradMatrices& m) {
  int sum = 0;
  for (int k = 0; k < m.size; ++k) sum += m.input[1][k];
  return sum;
}

template <int kRows, int kColumns, bool kFull>
SAMEBITS_INLINE void transform_chunk(const int16_t* const* pixels, int channel, int rest,
                                     __m256i center, int16_t* out, int64_t pitch) {
  constexpr int kHeight = kRows + 2, kWidth = kColumns + 2;
  __m256i half[kWidth][kHeight];
  for (int j = 0; j < kWidth; ++j) {
    __m256i d[kHeight];
    for (int i = 0; i < kHeight; ++i)
      d[i] = load_chunk<kFull>(pixels[i * kWidth + j] + channel, rest);
    transform_line(d, half[j]);
  }
#pragma GCC unroll 6
  for (int i = 0; i < kHeight; ++i) {
    __m256i d[kWidth], t[kWidth];
    for (int j = 0; j < kWidth; ++j) d[j] = half[j][i];
    transform_line(d, t);
    if (i == 1) t[1] = _mm256_sub_epi16(t[1], center);
    for (int j = 0; j < kWidth; ++j) store(out + (i * kWidth + j) * pitch, t[j]);
  }
}

template <int kRows, int kColumns>
void transform_inputs(const WinogradInputs& job) {
  constexpr int kFactor =
      row1_sum(winograd_matrices(kRows)) * row1_sum(winograd_matrices(kColumns));
  const __m256i center = _mm256_set1_epi16(static_cast<int16_t>(kFactor * job.center));
  int16_t* out = job.out;
  int c = 0;
  for (; c + kWinogradChunk <= job.channels; c += kWinogradChunk) {
    transform_chunk<kRows, kColumns, true>(job.pixels, c, kWinogradChunk, center, out,
                                           job.out_pitch);
    out += kWinogradStep * kWinogradChunk;
  }
  if (c < job.channels)
    transform_chunk<kRows, kColumns, false>(job.pixels, c, job.channels - c, center, out,
                                            job.out_pitch);
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

SAMEBITS_INLINE void transform_back(const __m256i (&v)[5], __m256i (&y)[3]) {
  const __m256i v1 = _mm256_add_epi32(v[1], _mm256_add_epi32(v[1], v[1]));  // three times
  const __m256i sum = _mm256_add_epi32(v1, v[2]);
  y[0] = _mm256_add_epi32(_mm256_add_epi32(v[0], sum), v[3]);
  y[1] = _mm256_add_epi32(_mm256_sub_epi32(v1, v[2]), _mm256_add_epi32(v[3], v[3]));
  y[2] = _mm256_add_epi32(_mm256_add_epi32(sum, v[4]), _mm256_slli_epi32(v[3], 2));
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
template <int kRows, int kColumns>
SAMEBITS_INLINE void transform_back_tile(const int32_t* products, int64_t pitch, __m256i bias,
                                         int32_t* acc, int64_t row) {
  constexpr WinogradMatrices r = winograd_matrices(kRows), c = winograd_matrices(kColumns);
  constexpr uint32_t kInverse = r.inverse * c.inverse;
  __m256i half[c.size][kRows];
  for (int j = 0; j < c.size; ++j) {
    __m256i v[r.size];
    for (int i = 0; i < r.size; ++i) v[i] = load(products + (i * c.size + j) * pitch);
    transform_back(v, half[j]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i) {
    __m256i v[c.size], y[kColumns];
    for (int j = 0; j < c.size; ++j) v[j] = half[j][i];
    transform_back(v, y);
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; ++j) {
      if (kInverse != 1)
        y[j] = _mm256_mullo_epi32(y[j], _mm256_set1_epi32(static_cast<int>(kInverse)));
      y[j] = _mm256_srai_epi32(y[j], r.shift[i] + c.shift[j]);
      store(acc + i * row + j * kWinogradGroup, _mm256_add_epi32(y[j], bias));
    }
  }
}

template <int kRows, int kColumns>
void transform_outputs(const WinogradOutputs& job) {
  const __m256i bias0 = load(job.bias), bias1 = load(job.bias + 8);
  const int64_t row = int64_t{job.tiles} * kColumns * kWinogradGroup;
  for (int t = 0; t < job.tiles; ++t) {
    const int32_t* products = job.products + int64_t{t} * kWinogradGroup;
    int32_t* acc = job.acc + int64_t{t} * kColumns * kWinogradGroup;
    transform_back_tile<kRows, kColumns>(products, job.products_pitch, bias0, acc, row);
    transform_back_tile<kRows, kColumns>(products + 8, job.products_pitch, bias1, acc + 8, row);
  }
}

template <int kRows, int kColumns>
constexpr WinogradKernels kKernels = {transform_inputs<kRows, kColumns>, multiply,
                                      transform_outputs<kRows, kColumns>, 1};

}  // namespace

WinogradKernels winograd_kernels_avx2(WinogradTile tile) {
  if (tile.rows == 2)
    return tile.columns == 2 ? kKernels<2, 2> : tile.columns == 3 ? kKernels<2, 3> : kKernels<2, 4>;
  return tile.columns == 3 ? kKernels<3, 3> : tile.rows == 3 ? kKernels<3, 4> : kKernels<4, 4>;
}

}  // namespace samebits
