// Layers with products in bfloat16, AVX512-BF16: an instruction multiplies pairs of rows.
#include <cstdint>
#include <cstring>

#include "training/passes.h"
#include "training/x86/vector_avx512.h"

namespace samebits::training {
namespace {

struct Bf16Avx512 : VectorAvx512 {
  using Element = uint16_t;
  using Packed = __m512i;
  using Pair = __m512i;  // 16 elements of the first row, then of the second
  static constexpr int kPack = 2;
  static constexpr int kOuterSteps = 72;

  static Packed load_packed(const Element* from) { return _mm512_loadu_si512(from); }
  static Packed broadcast_packed(const Element* from) {
    int32_t pair;
    std::memcpy(&pair, from, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  static Vector multiply_add(Vector sum, Packed a, Packed b) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }

  static Vector load_element(const Element* from) {
    const __m256i elements = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(elements), 16));
  }
  static Pair round_pair(Vector first, Vector second) {
    return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
  }
  static void store_row(Element* first, Pair pair) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(first), _mm512_castsi512_si256(pair));
  }
  static void store_rows(Element* first, Element* second, Pair pair) {
    store_row(first, pair);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(second), _mm512_extracti64x4_epi64(pair, 1));
  }
  static void store_panel(Element* to, int, Pair pair) {
    const __m512i alternate =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    _mm512_storeu_si512(to, _mm512_permutexvar_epi16(alternate, pair));
  }
  struct Values {
    Vector first, second;
  };
  static Values load_panel(const Element* from, int) {
    const __m512i pairs = _mm512_loadu_si512(from);
    const __m512i upper = _mm512_and_si512(pairs, _mm512_set1_epi32(-65536));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)), _mm512_castsi512_ps(upper)};
  }
};

}  // namespace

const Kernels kAvx512Bf16 = kernels_of<Bf16Avx512>("avx512_bf16");

}  // namespace samebits::training
