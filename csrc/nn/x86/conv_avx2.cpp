// AVX2 convolutions. vpmaddwd multiplies 16 pairs of int16 and adds them in pairs: exact, except
// that
// (-32768 * -32768) * 2 wraps, which is the sum modulo 2^32 that the definition asks for.
//
// Only intrinsics and plain pointers here: see the note in conv_kernels.h.
#include <immintrin.h>

#include <cstring>

#include "nn/conv_kernels.h"

namespace samebits {
namespace {

__m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
void store(void* p, __m256i v) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), v);
}

__m256i broadcast_pair(const int16_t* x) {
  int32_t pair;
  std::memcpy(&pair, x, sizeof pair);
  return _mm256_set1_epi32(pair);
}

__m256i broadcast_single(const int16_t* x) {
  return _mm256_set1_epi32(static_cast<uint16_t>(*x));
}

// Adds the products of one input pair of P pixels with 16 output channels.
template <int P>
inline __attribute__((always_inline)) void multiply_add(__m256i (&sum)[P][2], const int16_t* w,
                                                        const __m256i (&x)[P]) {
  const __m256i w0 = load(w), w1 = load(w + 16);
  for (int p = 0; p < P; ++p) {
    sum[p][0] = _mm256_add_epi32(sum[p][0], _mm256_madd_epi16(x[p], w0));
    sum[p][1] = _mm256_add_epi32(sum[p][1], _mm256_madd_epi16(x[p], w1));
  }
}

// P pixels times 16 output channels; with P = 6 the twelve sums fill the registers.
template <int P>
void dense_tile(const int16_t* w, const int32_t* bias, const ConvBlock& block, int first_pixel,
                int32_t* acc) {
  __m256i sum[P][2];
  for (int p = 0; p < P; ++p) {
    sum[p][0] = load(bias);
    sum[p][1] = load(bias + 8);
  }
  const int even_channels = block.in_channels & ~1;
  for (int t = 0; t < block.taps; ++t) {
    const int16_t* in[P];
    for (int p = 0; p < P; ++p) in[p] = block.inputs[t * block.pixels + first_pixel + p];
    __m256i x[P];
    for (int i = 0; i < even_channels; i += 2, w += 32) {
      for (int p = 0; p < P; ++p) x[p] = broadcast_pair(in[p] + i);
      multiply_add<P>(sum, w, x);
    }
    if (even_channels != block.in_channels) {
      for (int p = 0; p < P; ++p) x[p] = broadcast_single(in[p] + even_channels);
      multiply_add<P>(sum, w, x);
      w += 32;
    }
  }
  for (int p = 0; p < P; ++p) {
    store(acc + static_cast<int64_t>(p) * block.acc_stride, sum[p][0]);
    store(acc + static_cast<int64_t>(p) * block.acc_stride + 8, sum[p][1]);
  }
}

void dense_rest(int pixels, const int16_t* w, const int32_t* bias, const ConvBlock& block,
                int first_pixel, int32_t* acc) {
  switch (pixels) {
    case 1:
      return dense_tile<1>(w, bias, block, first_pixel, acc);
    case 2:
      return dense_tile<2>(w, bias, block, first_pixel, acc);
    case 3:
      return dense_tile<3>(w, bias, block, first_pixel, acc);
    case 4:
      return dense_tile<4>(w, bias, block, first_pixel, acc);
    case 5:
      return dense_tile<5>(w, bias, block, first_pixel, acc);
    default:
      return;
  }
}

// 16 channels of one pixel. Unless kFull, only `rest` exist and the others are read as zero.
template <bool kFull>
inline __attribute__((always_inline)) __m256i load_channels(const int16_t* x, int rest) {
  if (kFull) return load(x);
  int16_t padded[16] = {};
  std::memcpy(padded, x, sizeof(int16_t) * static_cast<size_t>(rest));
  return load(padded);
}

// 16 channels of one pixel. Taps are multiplied in pairs; the last has no partner.
template <int kTaps, bool kFull>
inline __attribute__((always_inline)) void depthwise_group(const int16_t* const (&in)[kTaps],
                                                           int channel, int rest, const int16_t* w,
                                                           const int32_t* bias, int32_t* acc) {
  __m256i low = _mm256_setzero_si256(), high = _mm256_setzero_si256();
#pragma GCC unroll 5
  for (int t = 0; t < kTaps; t += 2) {
    const __m256i a = load_channels<kFull>(in[t] + channel, rest);
    const __m256i b =
        t + 1 < kTaps ? load_channels<kFull>(in[t + 1] + channel, rest) : _mm256_setzero_si256();
    const __m256i wl = load(w + t * 16), wh = load(w + t * 16 + 16);
    low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), wl));
    high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), wh));
  }
  // low holds channels 0-3 and 8-11, high 4-7 and 12-15.
  store(acc, _mm256_add_epi32(load(bias), _mm256_permute2x128_si256(low, high, 0x20)));
  store(acc + 8, _mm256_add_epi32(load(bias + 8), _mm256_permute2x128_si256(low, high, 0x31)));
}

// Pixel by pixel, so that memory is read in order.
template <int kTaps>
void depthwise_pixels(const int16_t* packed_weight, const int32_t* bias, const ConvBlock& block) {
  constexpr int64_t kGroupWeights = int64_t{32} * ((kTaps + 1) / 2);
  int32_t* acc = block.acc;
  for (int p = 0; p < block.pixels; ++p, acc += block.acc_stride) {
    const int16_t* in[kTaps];
    for (int t = 0; t < kTaps; ++t) in[t] = block.inputs[t * block.pixels + p];
    const int16_t* w = packed_weight;
    int c = 0;
    for (; c + kOutputGroup <= block.out_channels; c += kOutputGroup, w += kGroupWeights)
      depthwise_group<kTaps, true>(in, c, kOutputGroup, w, bias + c, acc + c);
    if (c < block.out_channels)
      depthwise_group<kTaps, false>(in, c, block.out_channels - c, w, bias + c, acc + c);
  }
}

}  // namespace

void dense_block_avx2(const int16_t* packed_weight, const int32_t* packed_bias,
                      const ConvBlock& block) {
  const int64_t group_weights = int64_t{32} * block.taps * ((block.in_channels + 1) / 2);
  for (int o = 0; o < block.out_channels; o += kOutputGroup) {
    int p = 0;
    for (; p + 6 <= block.pixels; p += 6)
      dense_tile<6>(packed_weight, packed_bias + o, block, p,
                    block.acc + static_cast<int64_t>(p) * block.acc_stride + o);
    dense_rest(block.pixels - p, packed_weight, packed_bias + o, block, p,
               block.acc + static_cast<int64_t>(p) * block.acc_stride + o);
    packed_weight += group_weights;
  }
}

void depthwise_block_avx2(const int16_t* packed_weight, const int32_t* packed_bias,
                          const ConvBlock& block) {
  if (block.taps == 9)
    depthwise_pixels<9>(packed_weight, packed_bias, block);
  else
    depthwise_pixels<1>(packed_weight, packed_bias, block);
}

}  // namespace samebits
