// NEON convolutions (64-bit ARM). There is no instruction that adds products of pairs, so the two
// halves of a pair are multiplied one after the other, each by smlal, which adds modulo 2^32.
//
// Only intrinsics and plain pointers here: see the note in conv_kernels.h.
#include <arm_neon.h>

#include "nn/arm/requantize_arm.h"
#include "nn/conv_tiles.h"

namespace samebits {
namespace {

struct Neon {
  // Quarters of a group, four channels each.
  struct Sums {
    int32x4_t q0, q1, q2, q3;
  };
  // First and second halves of the pairs, for quarters 0-1 and 2-3.
  struct Pairs {
    int16x8_t first01, first23, second01, second23;
  };
  using Pair = int16x4_t;  // in lanes 0 and 1
  struct Channels {
    int16x8_t low, high;
  };

  static SAMEBITS_INLINE Sums load_sums(const int32_t* p) {
    return {vld1q_s32(p), vld1q_s32(p + 4), vld1q_s32(p + 8), vld1q_s32(p + 12)};
  }
  static SAMEBITS_INLINE void store_sums(int32_t* p, const Sums& sums) {
    vst1q_s32(p, sums.q0);
    vst1q_s32(p + 4, sums.q1);
    vst1q_s32(p + 8, sums.q2);
    vst1q_s32(p + 12, sums.q3);
  }
  static SAMEBITS_INLINE Pairs load_pairs(const int16_t* p) {
    // Not ld2, whose register pairs make gcc 12 spill the sums of a tile.
    const int16x8_t q0 = vld1q_s16(p), q1 = vld1q_s16(p + 8);
    const int16x8_t q2 = vld1q_s16(p + 16), q3 = vld1q_s16(p + 24);
    return {vuzp1q_s16(q0, q1), vuzp1q_s16(q2, q3), vuzp2q_s16(q0, q1), vuzp2q_s16(q2, q3)};
  }
  static SAMEBITS_INLINE Pair broadcast_pair(const int16_t* x) {
    int32_t pair;
    std::memcpy(&pair, x, sizeof pair);
    return vreinterpret_s16_s32(vdup_n_s32(pair));
  }
  static SAMEBITS_INLINE Pair broadcast_single(const int16_t* x) {
    return vset_lane_s16(*x, vdup_n_s16(0), 0);
  }
  static SAMEBITS_INLINE Channels load_channels(const int16_t* x) {
    return {vld1q_s16(x), vld1q_s16(x + 8)};
  }
  static SAMEBITS_INLINE Channels no_channels() { return {vdupq_n_s16(0), vdupq_n_s16(0)}; }
  // Quarters 0-1 are channels 0-3 and 8-11, quarters 2-3 are 4-7 and 12-15.
  static SAMEBITS_INLINE Pairs interleave(const Channels& a, const Channels& b) {
    return {vcombine_s16(vget_low_s16(a.low), vget_low_s16(a.high)),
            vcombine_s16(vget_high_s16(a.low), vget_high_s16(a.high)),
            vcombine_s16(vget_low_s16(b.low), vget_low_s16(b.high)),
            vcombine_s16(vget_high_s16(b.low), vget_high_s16(b.high))};
  }
  static SAMEBITS_INLINE void add_products(Sums& sum, const Pairs& w, Pair x) {
    sum.q0 = vmlal_lane_s16(sum.q0, vget_low_s16(w.first01), x, 0);
    sum.q1 = vmlal_high_lane_s16(sum.q1, w.first01, x, 0);
    sum.q2 = vmlal_lane_s16(sum.q2, vget_low_s16(w.first23), x, 0);
    sum.q3 = vmlal_high_lane_s16(sum.q3, w.first23, x, 0);
    sum.q0 = vmlal_lane_s16(sum.q0, vget_low_s16(w.second01), x, 1);
    sum.q1 = vmlal_high_lane_s16(sum.q1, w.second01, x, 1);
    sum.q2 = vmlal_lane_s16(sum.q2, vget_low_s16(w.second23), x, 1);
    sum.q3 = vmlal_high_lane_s16(sum.q3, w.second23, x, 1);
  }
  static SAMEBITS_INLINE void add_products(Sums& sum, const Pairs& w, const Pairs& x) {
    add_half(sum, w.first01, w.first23, x.first01, x.first23);
    add_half(sum, w.second01, w.second23, x.second01, x.second23);
  }
  static SAMEBITS_INLINE void add_half(Sums& sum, int16x8_t w01, int16x8_t w23, int16x8_t x01,
                                       int16x8_t x23) {
    sum.q0 = vmlal_s16(sum.q0, vget_low_s16(w01), vget_low_s16(x01));
    sum.q1 = vmlal_high_s16(sum.q1, w01, x01);
    sum.q2 = vmlal_s16(sum.q2, vget_low_s16(w23), vget_low_s16(x23));
    sum.q3 = vmlal_high_s16(sum.q3, w23, x23);
  }
};

}  // namespace

// A tile of 6 pixels x 16 channels is 24 of the 32 registers.
extern const ConvKernels kConvNeon = {1, dense_block<Neon, 1>, depthwise_block<Neon>,
                                      depthwise_rows<Neon>, requantize_neon};

}  // namespace samebits
