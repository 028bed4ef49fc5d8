// One block of one layer, on any target: sums, and what becomes of them.
#pragma once

#include "nn/conv.h"
#include "nn/conv_blocks.h"
#include "nn/conv_kernels.h"

namespace samebits {

// Where the results of a block go, at its first pixel: one of sums and activations is null. Pixels
// are out_channels apart, also in `add`.
struct BlockOutput {
  int32_t* sums;
  int16_t* activations;
  const int16_t* add;  // residual, or null
  int add_lo, add_hi;
};

// What becomes of the sums of group g, [pixels][16] in group order: they go to `pixels` pixels of
// `out` from pixel `first` on. `kernels` may be null if sums are all that is wanted.
void finish_group(const ConvKernels* kernels, const ConvLayer& layer, int g, const int32_t* acc,
                  int64_t first, int pixels, const BlockOutput& out);

// `kernels` is null for scalar. The layer is prepared. `next` is a hint: so many values as the
// block's pixels have will be read from there next; or null.
void run_dense_block(const ConvKernels* kernels, const ConvLayer& layer, const ConvBlock& block,
                     const int16_t* next, const BlockOutput& out);
// Output pixels first .. first + pixels - 1 of a depthwise layer.
void run_depthwise_block(const ConvKernels* kernels, const ConvLayer& layer,
                         const ConvBlocks& blocks, int64_t first, int pixels,
                         const BlockOutput& out);

}  // namespace samebits
