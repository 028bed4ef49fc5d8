// The one step loop (requirement E2, arithmetic.md 4). Encoder and decoder run the same loop; they
// differ only in the StepCoder they pass.
#pragma once

#include <cstdint>
#include <span>

#include "codec/entropy_model.h"

namespace samebits {

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

// Returns y_hat. `values` is the model's head for a probability per value if the coder wants its
// coefficients, otherwise null.
Tensor<int16_t> code_latents(const Model& model, const ValueHead* values, int quality,
                             const Schedule& schedule, HyperInformation hyper, StepCoder& coder);

}  // namespace samebits
