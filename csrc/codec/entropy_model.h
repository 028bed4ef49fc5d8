// The mask-and-proxy entropy model (requirements E1, E2; arithmetic.md 4): its state, and the
// network that gives the distribution parameters of a step. step_loop.h drives it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "codec/context_sums.h"
#include "codec/mask.h"
#include "codec/model.h"
#include "codec/proxy.h"
#include "codec/schedule.h"
#include "codec/sums_plan.h"
#include "nn/tensor.h"

namespace samebits {

// What the hyper-latents say about the latents, cropped to their size.
struct HyperInformation {
  Tensor<int16_t> features;    // [h][w][F]
  Tensor<int16_t> prediction;  // [h][w][M]: the predicted values that fill the proxy at first
};

// Distribution parameters of the elements of a step, in coding order.
struct StepParameters {
  std::vector<int16_t> mean;
  std::vector<uint8_t> row;           // of the CDF tables
  std::vector<int16_t> coefficients;  // of a probability per value, or empty
};

class EntropyModel {
 public:
  // Keeps references to `model` and `schedule`. With `values`, the model's head, parameters have
  // coefficients too.
  EntropyModel(const Model& model, const ValueHead* values, int quality, const Schedule& schedule,
               HyperInformation hyper);

  // The network at the elements of step number `step`, from the state before the step. `ready(end)`
  // hears that the first `end` elements of the parameters are there: in order, on one thread at a
  // time, while others go on.
  using Ready = std::function<void(const StepParameters& parameters, int64_t end)>;
  StepParameters parameters(size_t step, const Ready& ready) const;

  // The true values of a step are known: new proxy, new mask, and new sums for whoever reads them.
  void update(size_t step, const StepParameters& parameters, std::span<const int32_t> symbols);

  int64_t elements(size_t step) const;

  const Tensor<int16_t>& proxy() const { return proxy_.values(); }
  const Mask& mask() const { return mask_; }
  // What rectangle number `rect` of a step reads, before the step.
  const Tensor<int32_t>& sums(size_t step, size_t rect) const {
    return context_.sums(plan_.steps[step].read[rect]);
  }
  Tensor<int16_t> take_proxy() { return proxy_.take(); }

 private:
  struct Block;

  MaskedPositions positions(const Rect& rect) const {
    return MaskedPositions(proxy().height, proxy().width, rect.phase_mask);
  }
  void block_parameters(const Block& block, int16_t* mean, uint8_t* row,
                        int16_t* coefficients) const;

  const Model& model_;
  const ValueHead* values_;
  int quality_;
  const Schedule& schedule_;
  SumsPlan plan_;
  Mask mask_;
  Proxy proxy_;
  ContextSums context_;
};

}  // namespace samebits
