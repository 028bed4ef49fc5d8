// The mask-and-proxy entropy model and its one step loop (requirements E1, E2; arithmetic.md 4).
// Encoder and decoder run the same loop; they differ only in the StepCoder they pass.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "codec/context_sums.h"
#include "codec/model.h"
#include "codec/schedule.h"
#include "nn/conv.h"
#include "nn/tensor.h"

namespace samebits {

// What the hyper-latents say about the latents, cropped to their size.
struct HyperInformation {
  Tensor<int16_t> features;    // [h][w][F]
  Tensor<int16_t> prediction;  // [h][w][M]
};

// Distribution parameters of the elements of a step, in coding order.
struct StepParameters {
  std::vector<int16_t> mean;
  std::vector<uint8_t> row;           // of the CDF tables
  std::vector<int16_t> coefficients;  // of a probability per value, or empty
};

// The part of the loop in which encoder and decoder differ.
class StepCoder {
 public:
  // Stretches of a step begin at multiples of this, so that each begins with lane 0.
  static constexpr int64_t kStretch = 32;

  virtual ~StepCoder() = default;
  // Finds (encoder) or decodes (decoder) the symbols of a step's elements [begin, end), in coding
  // order. Stretches come in order, while parameters of later ones are still being computed.
  virtual void code(const Step& step, const StepParameters& parameters, int64_t begin, int64_t end,
                    std::span<int32_t> symbols) = 0;
};

class EntropyModel {
 public:
  // Keeps a reference to `model`. With `values`, its head, parameters have coefficients too.
  EntropyModel(const Model& model, const ValueHead* values, int quality, HyperInformation hyper);

  // The network at the elements of a step, from the state before the step. `ready(end)` hears that
  // the first `end` elements of the parameters are there: in order, on one thread at a time, while
  // others go on.
  using Ready = std::function<void(const StepParameters& parameters, int64_t end)>;
  StepParameters parameters(const Step& step, const Ready& ready);

  // The true values of a step are known: new proxy, new mask, and new sums unless this was the last
  // step and nobody will read them.
  enum class StepIs { followed, last };
  void update(const Step& step, const StepParameters& parameters, std::span<const int32_t> symbols,
              StepIs step_is);

  int64_t elements(const Step& step) const;

  const Tensor<int16_t>& proxy() const { return proxy_; }
  // 1 where the true value is known. Steps are periodic in space, so one value for each phase and
  // channel is the whole mask.
  bool known(int phase, int channel) const { return mask_[phase][channel] != 0; }
  const ContextSums& context() const { return context_; }
  Tensor<int16_t> take_proxy() { return std::move(proxy_); }

 private:
  MaskedPositions positions(const Rect& rect) const {
    return MaskedPositions(proxy_.height, proxy_.width, rect.phase_mask);
  }
  void block_parameters(const Rect& rect, const RangeLayers& layers, int64_t begin, int64_t end,
                        int16_t* mean, uint8_t* row, int16_t* coefficients) const;
  std::vector<int16_t> update_proxy(const Rect& rect, const int16_t* mean, const int32_t* symbols);
  void update_mask(const Rect& rect);

  const Model& model_;
  const ValueHead* values_;
  int quality_;
  Tensor<int16_t> proxy_;
  std::vector<uint8_t> mask_[kPhases];
  ContextSums context_;
};

// The step loop. Returns y_hat. `values` is the model's head for a probability per value if the
// coder wants its coefficients, otherwise null.
Tensor<int16_t> code_latents(const Model& model, const ValueHead* values, int quality,
                             const Schedule& schedule, HyperInformation hyper, StepCoder& coder);

}  // namespace samebits
