// AVX2 convolutions. vpmaddwd multiplies 16 pairs of int16 and adds them in pairs: exact, except
// that (-32768 * -32768) * 2 wraps, which is the sum modulo 2^32 that the definition asks for.
//
// Only intrinsics and plain pointers here: see the note in conv_kernels.h.
#include <immintrin.h>

#include "nn/conv_tiles.h"
#include "nn/x86/requantize_x86.h"

namespace samebits {
namespace {

struct Avx2 {
  struct Sums {
    __m256i low, high;
  };
  using Pairs = Sums;
  using Pair = __m256i;
  using Channels = __m256i;

  static SAMEBITS_INLINE __m256i load(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
  }
  static SAMEBITS_INLINE Sums load_sums(const int32_t* p) { return {load(p), load(p + 8)}; }
  static SAMEBITS_INLINE void store_sums(int32_t* p, const Sums& sums) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), sums.low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), sums.high);
  }
  static SAMEBITS_INLINE Pairs load_pairs(const int16_t* p) { return {load(p), load(p + 16)}; }
  static SAMEBITS_INLINE Pair broadcast_pair(const int16_t* x) {
    int32_t pair;
    std::memcpy(&pair, x, sizeof pair);
    return _mm256_set1_epi32(pair);
  }
  static SAMEBITS_INLINE Pair broadcast_single(const int16_t* x) {
    return _mm256_set1_epi32(static_cast<uint16_t>(*x));
  }
  static SAMEBITS_INLINE Channels load_channels(const int16_t* x) { return load(x); }
  static SAMEBITS_INLINE Channels no_channels() { return _mm256_setzero_si256(); }
  static SAMEBITS_INLINE Pairs interleave(Channels a, Channels b) {
    return {_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)};
  }
  static SAMEBITS_INLINE void add_products(Sums& sum, const Pairs& w, Pair x) {
    sum.low = _mm256_add_epi32(sum.low, _mm256_madd_epi16(x, w.low));
    sum.high = _mm256_add_epi32(sum.high, _mm256_madd_epi16(x, w.high));
  }
  static SAMEBITS_INLINE void add_products(Sums& sum, const Pairs& w, const Pairs& x) {
    sum.low = _mm256_add_epi32(sum.low, _mm256_madd_epi16(x.low, w.low));
    sum.high = _mm256_add_epi32(sum.high, _mm256_madd_epi16(x.high, w.high));
  }
};

}  // namespace

extern const ConvKernels kConvAvx2 = {1, dense_block<Avx2, 1>, depthwise_block<Avx2>,
                                      depthwise_rows<Avx2>, requantize_avx2};

}  // namespace samebits
