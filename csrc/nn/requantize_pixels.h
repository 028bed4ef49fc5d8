// Requantization for any vector instruction set, written once. Each target's file defines a type V
// in an unnamed namespace and includes this one:
//   V::Upper<kShift>       a scale of form kScaleUpper or kScaleUpperShift
//   V::Any                 any scale
//     both made from a GroupScale; apply(acc [16] in group order) gives 16 values v, saturated to
//     int32
//   V::Finish<kLeaky, kAdd>  made from a RequantizeJob; store(v, add, out) applies the leaky
//     rectifier, the clamp and the addition and stores 16 channels in natural order
// A file of its own for each target: a 64-bit multiply inlined beside a tile makes gcc 12 spill the
// tile's sums.
//
// Only intrinsics and plain pointers here: see the note in conv_kernels.h.
#pragma once

#include <cstring>

#include "nn/conv_kernels.h"

namespace samebits {

template <class Scale, class Finish>
void requantize_pixels(const RequantizeJob& job) {
  const Scale scale(*job.scale);
  const Finish finish(job);
  const int32_t* acc = job.acc;
  const int16_t* add = job.add;
  int16_t* out = job.out;
  const auto size = sizeof(int16_t) * static_cast<unsigned>(job.channels);
  for (int p = 0; p < job.pixels; ++p, acc += kOutputGroup, out += job.out_stride) {
    if (job.channels == kOutputGroup) {
      finish.store(scale.apply(acc), add, out);
    } else {
      int16_t padded[kOutputGroup] = {};
      if (add != nullptr) std::memcpy(padded, add, size);
      finish.store(scale.apply(acc), padded, padded);
      std::memcpy(out, padded, size);
    }
    if (add != nullptr) add += job.out_stride;
  }
}

template <class V, class Scale>
void requantize_with(const RequantizeJob& job) {
  const bool leaky = job.range.leaky >= 0;
  if (job.add != nullptr) {
    if (leaky)
      requantize_pixels<Scale, typename V::template Finish<true, true>>(job);
    else
      requantize_pixels<Scale, typename V::template Finish<false, true>>(job);
  } else {
    if (leaky)
      requantize_pixels<Scale, typename V::template Finish<true, false>>(job);
    else
      requantize_pixels<Scale, typename V::template Finish<false, false>>(job);
  }
}

// ConvKernels::requantize.
template <class V>
void requantize_block(const RequantizeJob& job) {
  switch (job.scale->form) {
    case kScaleUpper:
      return requantize_with<V, typename V::template Upper<false>>(job);
    case kScaleUpperShift:
      return requantize_with<V, typename V::template Upper<true>>(job);
    default:
      return requantize_with<V, typename V::Any>(job);
  }
}

}  // namespace samebits
