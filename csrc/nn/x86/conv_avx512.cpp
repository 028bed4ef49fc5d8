// AVX-512 convolutions. VNNI's vpdpwssd multiplies 32 pairs of int16 and adds them in pairs to sums
// modulo 2^32. (vpdpwssds, which saturates, is another instruction.)
//
// Only intrinsics and plain pointers here: see the note in conv_kernels.h.
#include <immintrin.h>

#include "nn/conv_tiles.h"
#include "nn/x86/requantize_x86.h"

namespace samebits {
namespace {

struct Avx512 {
  using Sums = __m512i;
  using Pairs = __m512i;
  using Pair = __m512i;
  using Channels = __m256i;

  static SAMEBITS_INLINE Sums load_sums(const int32_t* p) { return _mm512_loadu_si512(p); }
  static SAMEBITS_INLINE void store_sums(int32_t* p, Sums sums) { _mm512_storeu_si512(p, sums); }
  static SAMEBITS_INLINE Pairs load_pairs(const int16_t* p) { return _mm512_loadu_si512(p); }
  static SAMEBITS_INLINE Pair broadcast_pair(const int16_t* x) {
    int32_t pair;
    std::memcpy(&pair, x, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  static SAMEBITS_INLINE Pair broadcast_single(const int16_t* x) {
    return _mm512_set1_epi32(static_cast<uint16_t>(*x));
  }
  static SAMEBITS_INLINE Channels load_channels(const int16_t* x) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  }
  static SAMEBITS_INLINE Channels no_channels() { return _mm256_setzero_si256(); }
  static SAMEBITS_INLINE Pairs interleave(Channels a, Channels b) {
    const __m512i low = _mm512_castsi256_si512(_mm256_unpacklo_epi16(a, b));
    return _mm512_inserti64x4(low, _mm256_unpackhi_epi16(a, b), 1);
  }
  static SAMEBITS_INLINE void add_products(Sums& sum, Pairs w, Pair x) {
    sum = _mm512_dpwssd_epi32(sum, w, x);
  }
};

}  // namespace

// A tile of 6 pixels x 64 channels is 24 of the 32 registers.
extern const ConvKernels kConvAvx512 = {4, dense_block<Avx512, 4>, depthwise_block<Avx512>,
                                        depthwise_rows<Avx512>, requantize_avx512};

}  // namespace samebits
