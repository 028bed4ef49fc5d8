// Convolutions of uint8 activations: the same sums as a ConvLayer's with the activations widened to
// int16, in fewer instructions where that is exact.
#pragma once

#include <cstdint>

#include "nn/aligned_vector.h"
#include "nn/conv.h"
#include "nn/conv_uint8_kernels.h"

namespace samebits {

class Uint8Conv {
 public:
  // Prepares the layer, whose promise about inputs must be within 0 .. 255.
  explicit Uint8Conv(ConvLayer layer);

  // True if uint8_block_avx2 is exact.
  bool pairs_are_safe() const { return pairs_are_safe_; }

  // As conv2d_accumulate and conv2d: x [height][width][I] to out [oh][ow][O].
  void accumulate(const uint8_t* x, int height, int width, int32_t* out) const;
  void run(const uint8_t* x, int height, int width, int16_t* out) const;

  // accumulate() on a kernel of the caller's choice, which must be exact for these weights:
  // for comparing kernels. Weights must be within int8 and the layer dense.
  void accumulate_on(Uint8Kernel kernel, const uint8_t* x, int height, int width,
                     int32_t* out) const;

 private:
  ConvLayer layer_;
  bool weights_are_int8_ = false;
  bool pairs_are_safe_ = false;  // see uint8_pairs_are_safe
  AlignedVector<int8_t> weight_;
  AlignedVector<int32_t> bias_;

  template <class Out, class Finish>
  void run_blocks(Uint8Kernel kernel, const uint8_t* x, int height, int width, Out* out,
                  const Finish& finish) const;
  Uint8Kernel kernel() const;
};

// True if no pair of neighboring input channels, as the kernels read them, can leave int16: for
// every output channel and tap, in_hi * (sum of the positive weights of the pair) <= 32767, and
// in_hi * (sum of the negative ones) >= -32768. Weights of -64 .. 64 are always safe, and any
// weights of int8 are if inputs are at most 127.
bool uint8_pairs_are_safe(const ConvLayer& layer);

}  // namespace samebits
