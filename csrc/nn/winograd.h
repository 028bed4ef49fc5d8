// Integer Winograd convolutions: fewer multiplications for dense 3 x 3 layers with stride 1, and
// the same bits as the direct sum. winograd_matrices.h has the algorithm, winograd_plan.cpp the
// proof.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "nn/conv.h"
#include "nn/target.h"
#include "nn/winograd_kernels.h"

namespace samebits {

// Why tiles of tile x tile outputs (2 or 4) are not exact, or not possible, for inputs in
// layer.in_lo .. layer.in_hi; empty if they are exact.
std::string winograd_refusal(const ConvLayer& layer, int tile);

// The weights for the layer's algorithm: with `automatic` the largest exact tile, if the layer is
// large enough to gain from it. Error(invalid_argument) if layer.algorithm asks for a tile that
// winograd_refusal refuses.
WinogradWeights plan_winograd(const ConvLayer& layer);

// Takes the accumulators of `pixels` output pixels, which follow each other from first_pixel on, in
// the order of rows: [pixels][acc_stride]. Called from several threads at a time.
using FinishPixels =
    std::function<void(int64_t first_pixel, int pixels, const int32_t* acc, int acc_stride)>;

// Output rows [begin, end), counted from row `begin` in first_pixel.
void winograd_rows(const ConvLayer& layer, const WinogradKernels& kernels, const RowWindow& x,
                   int begin, int end, const FinishPixels& finish);

// The same on the target's kernels; false, and nothing done, if direct sums are quicker here.
bool done_by_winograd(const ConvLayer& layer, Target target, const RowWindow& x, int begin, int end,
                      const FinishPixels& finish);

}  // namespace samebits
