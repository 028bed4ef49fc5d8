// The layers in plain C++, for every processor: what the vector kernels are compared with.
#include <bit>

#include "training/float_elements.h"
#include "training/passes.h"

namespace samebits::training {
namespace {

struct ScalarVector {
  using Vector = float;
  static constexpr int kLanes = 1;
  static constexpr int kPanel = 16;
  static constexpr int kTileRows = 2;

  static Vector zero() { return 0.0f; }
  static Vector broadcast(float value) { return value; }
  static Vector load(const float* from) { return *from; }
  static void store(float* to, Vector v) { *to = v; }
  static Vector add(Vector a, Vector b) { return a + b; }
  static Vector multiply(Vector a, Vector b) { return a * b; }
  static Vector fma(Vector a, Vector b, Vector c) { return a * b + c; }
  static Vector max(Vector a, Vector b) { return a > b ? a : b; }
  static Vector where_positive(Vector condition, Vector yes, Vector no) {
    return condition > 0.0f ? yes : no;
  }
};

struct ScalarBf16 : ScalarVector {
  using Element = uint16_t;
  using Packed = float;
  struct Pair {
    Element first, second;
  };
  struct Values {
    float first, second;
  };
  static constexpr int kPack = 1;
  static constexpr int kOuterSteps = 72;

  // To the nearest, ties to even; what is not a number stays so.
  static Element round(float value) {
    const auto bits = std::bit_cast<uint32_t>(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<Element>(bits >> 16 | 0x40u);
    return static_cast<Element>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
  }
  static float load_element(const Element* from) {
    return std::bit_cast<float>(static_cast<uint32_t>(*from) << 16);
  }
  static Packed load_packed(const Element* from) { return load_element(from); }
  static Packed broadcast_packed(const Element* from) { return load_element(from); }
  static Vector multiply_add(Vector sum, Packed a, Packed b) { return sum + a * b; }
  static Pair round_pair(Vector first, Vector second) { return {round(first), round(second)}; }
  static void store_row(Element* first, Pair pair) { *first = pair.first; }
  static void store_rows(Element* first, Element* second, Pair pair) {
    *first = pair.first;
    *second = pair.second;
  }
  static void store_panel(Element* to, int width, Pair pair) { store_rows(to, to + width, pair); }
  static Values load_panel(const Element* from, int width) {
    return {load_element(from), load_element(from + width)};
  }
};

}  // namespace

const Kernels kScalarFp32 = kernels_of<FloatElements<ScalarVector>>("scalar");
const Kernels kScalarBf16 = kernels_of<ScalarBf16>("scalar");

}  // namespace samebits::training
