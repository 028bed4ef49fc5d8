// NEON requantization, exact for every int32 accumulator, multiplier 0 .. 65535 and shift 1 .. 46:
// srshl is round_shift on 64-bit lanes, so one form serves all scales.
//
// Only intrinsics and plain pointers here: see the note in conv_kernels.h.
#include <arm_neon.h>

#include "nn/arm/requantize_arm.h"
#include "nn/requantize_pixels.h"

namespace samebits {
namespace {

struct Values {
  int32x4_t quarter[4];
};

struct Neon {
  // Narrowing to int32 saturates: beyond it the final clamp, even after a leaky shift of 15, gives
  // the same value.
  struct Any {
    int32x4_t multiplier[4];
    int64x2_t shift_low[4], shift_high[4];  // negative: to the right

    explicit Any(const GroupScale& scale) {
      for (int q = 0; q < 4; ++q) {
        multiplier[q] = vld1q_s32(scale.multiplier + 4 * q);
        const int32x4_t shift = vnegq_s32(vld1q_s32(scale.shift + 4 * q));
        shift_low[q] = vmovl_s32(vget_low_s32(shift));
        shift_high[q] = vmovl_high_s32(shift);
      }
    }

    Values apply(const int32_t* from) const {
      Values v;
      for (int q = 0; q < 4; ++q) {
        const int32x4_t acc = vld1q_s32(from + 4 * q);
        const int64x2_t low = vmull_s32(vget_low_s32(acc), vget_low_s32(multiplier[q]));
        const int64x2_t high = vmull_high_s32(acc, multiplier[q]);
        v.quarter[q] = vqmovn_high_s64(vqmovn_s64(vrshlq_s64(low, shift_low[q])),
                                       vrshlq_s64(high, shift_high[q]));
      }
      return v;
    }
  };
  template <bool kShift>
  using Upper = Any;

  // Narrowing saturates to int16 and so does the addition, which no clamp within int16 notices.
  template <bool kLeaky, bool kAdd>
  struct Finish {
    int32x4_t leaky;
    int16x8_t lo, hi, add_lo, add_hi;

    explicit Finish(const RequantizeJob& job)
        : leaky(vdupq_n_s32(-job.range.leaky)),
          lo(vdupq_n_s16(static_cast<int16_t>(job.range.lo))),
          hi(vdupq_n_s16(static_cast<int16_t>(job.range.hi))),
          add_lo(vdupq_n_s16(static_cast<int16_t>(job.add_lo))),
          add_hi(vdupq_n_s16(static_cast<int16_t>(job.add_hi))) {}

    int16x8_t finish_eight(int32x4_t low, int32x4_t high, const int16_t* add) const {
      if (kLeaky) {
        low = vmaxq_s32(low, vshlq_s32(low, leaky));
        high = vmaxq_s32(high, vshlq_s32(high, leaky));
      }
      int16x8_t result = vqmovn_high_s32(vqmovn_s32(low), high);
      result = vmaxq_s16(vminq_s16(result, hi), lo);
      if (kAdd) {
        result = vqaddq_s16(result, vld1q_s16(add));
        result = vmaxq_s16(vminq_s16(result, add_hi), add_lo);
      }
      return result;
    }

    // Quarters hold channels 0-3, 8-11, 4-7, 12-15.
    void store(const Values& v, const int16_t* add, int16_t* out) const {
      const int16x8_t low = finish_eight(v.quarter[0], v.quarter[2], add);
      const int16x8_t high = finish_eight(v.quarter[1], v.quarter[3], kAdd ? add + 8 : add);
      vst1q_s16(out, low);
      vst1q_s16(out + 8, high);
    }
  };
};

}  // namespace

void requantize_neon(const RequantizeJob& job) {
  requantize_block<Neon>(job);
}

}  // namespace samebits
