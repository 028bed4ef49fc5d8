// The entropy model's network over everything at once: the layers of arithmetic.md 4 one after
// another, nothing kept from an earlier pass. The step loop gives the same numbers with less work;
// tests compare them, `samebits bench orders` times both.
#pragma once

#include "codec/entropy_model.h"
#include "codec/mask.h"
#include "codec/model.h"
#include "codec/schedule.h"
#include "nn/tensor.h"

namespace samebits {

// What a rectangle with a view reads: the known values of its channels, elsewhere predictions.
struct Inputs {
  const Tensor<int16_t>& proxy;  // [h][w][M]
  const Mask& mask;
  const Tensor<int16_t>& prediction;  // [h][w][M]
  const Tensor<int16_t>& features;    // [h][w][F]
  const View& view;
};

// Accumulators of the context layer, without the bias of a quality: [h][w][C1].
Tensor<int32_t> full_context_sums(const Model& model, const Inputs& inputs);

// Mean and row of every element, in the order row, column, channel.
StepParameters full_pass(const Model& model, int quality, const Inputs& inputs);

}  // namespace samebits
