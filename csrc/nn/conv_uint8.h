// Convolutions of uint8 activations: the same sums as a ConvLayer's with the activations widened to
// int16, in fewer instructions where that is exact.
#pragma once

#include <cstdint>

#include "nn/aligned_vector.h"
#include "nn/conv.h"
#include "nn/conv_block.h"
#include "nn/conv_uint8_kernels.h"

namespace samebits {

class Uint8Conv {
 public:
  // Prepares the layer, whose promise about inputs must be within 0 .. 255.
  explicit Uint8Conv(ConvLayer layer);

  // True if the AVX2 kernel is exact.
  bool pairs_are_safe() const { return pairs_are_safe_; }

  // As conv2d_accumulate and conv2d: x [height][width][I] to out [oh][ow][O].
  void accumulate(const uint8_t* x, int height, int width, int32_t* out) const;
  void run(const uint8_t* x, int height, int width, int16_t* out) const;

  // Either of them on a kernel of the caller's choice, which must be exact for these weights. The
  // layer must be dense and its weights within int8. `finish` may be null if only sums are wanted.
  void run_on(const Uint8Kernel& kernel, const ConvKernels* finish, const uint8_t* x, int height,
              int width, const BlockOutput& out) const;

 private:
  // The kernel for this layer on the target in use; null if widening to int16 is better.
  const Uint8Kernel* kernel() const;

  ConvLayer layer_;
  bool weights_are_int8_ = false;
  bool pairs_are_safe_ = false;
  AlignedVector<int8_t> weight_;  // see Uint8Block
};

// True if no pair of neighboring input channels, as the kernels read them, can leave int16: for
// every output channel and tap, in_hi * (sum of the positive weights of the pair) <= 32767, and
// in_hi * (sum of the negative ones) >= -32768. Weights of -64 .. 64 are always safe, and any
// weights of int8 are if inputs are at most 127.
bool uint8_pairs_are_safe(const ConvLayer& layer);

}  // namespace samebits
