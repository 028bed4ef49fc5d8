// Elements of products in float32: nothing is rounded, and a step of a product is one row.
#pragma once

namespace samebits::training {

template <class Base>
struct FloatElements : Base {
  using Vector = typename Base::Vector;
  using Element = float;
  using Packed = Vector;
  struct Pair {
    Vector first, second;
  };
  static constexpr int kPack = 1;
  static constexpr int kOuterSteps = 72;

  static Packed load_packed(const float* from) { return Base::load(from); }
  static Packed broadcast_packed(const float* from) { return Base::broadcast(*from); }
  static Vector multiply_add(Vector sum, Packed a, Packed b) { return Base::fma(a, b, sum); }
  static Vector load_element(const float* from) { return Base::load(from); }
  static Pair round_pair(Vector first, Vector second) { return {first, second}; }
  static void store_row(float* first, const Pair& pair) { Base::store(first, pair.first); }
  static void store_rows(float* first, float* second, const Pair& pair) {
    Base::store(first, pair.first);
    Base::store(second, pair.second);
  }
  static void store_panel(float* to, int width, const Pair& pair) {
    store_rows(to, to + width, pair);
  }
  static Pair load_panel(const float* from, int width) {
    return {Base::load(from), Base::load(from + width)};
  }
};

}  // namespace samebits::training
