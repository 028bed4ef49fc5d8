// Integer Winograd convolutions: fewer multiplications for dense 3 x 3 layers with stride 1, and
// the same bits as the direct sum. winograd_matrices.h has the algorithm, winograd_plan.cpp the
// proof.
#pragma once

#include <cstdint>
#include <string>

#include "nn/conv.h"
#include "nn/conv_block.h"
#include "nn/target.h"
#include "nn/winograd_kernels.h"

namespace samebits {

// The algorithm's tile, 0 x 0 for automatic and direct.
WinogradTile winograd_tile(ConvAlgorithm algorithm);

// Why a tile is not exact, or not possible, for inputs in layer.in_lo .. layer.in_hi; empty if it
// is exact.
std::string winograd_refusal(const ConvLayer& layer, WinogradTile tile);

// The weights for the layer's algorithm: with `automatic` the fastest exact tile, if the layer is
// large enough to gain from it. Error(invalid_argument) if layer.algorithm asks for a tile that
// winograd_refusal refuses.
WinogradWeights plan_winograd(const ConvLayer& layer);

// The Winograd kernels of a target, those of scalar if it has none of its own.
WinogradKernels winograd_kernels(Target target, WinogradTile tile);

// Output rows [begin, end), which `out` begins with. The layer has Winograd weights; `finish` may
// be null if sums are all that is wanted.
void winograd_rows(const ConvLayer& layer, const WinogradKernels& kernels,
                   const ConvKernels* finish, const RowWindow& x, int begin, int end,
                   const BlockOutput& out);

// The same on the target in use; false, and nothing done, if this is for direct sums.
bool done_by_winograd(const ConvLayer& layer, const RowWindow& x, int begin, int end,
                      const BlockOutput& out);

}  // namespace samebits
