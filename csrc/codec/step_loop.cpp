#include "codec/step_loop.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace samebits {

Tensor<int16_t> code_latents(const Model& model, const ValueHead* values, int quality,
                             const Schedule& schedule, HyperInformation hyper, StepCoder& coder) {
  EntropyModel entropy_model(model, values, quality, schedule, std::move(hyper));
  std::vector<int32_t> symbols;
  for (size_t step = 0; step < schedule.size(); ++step) {
    const int64_t elements = entropy_model.elements(step);
    symbols.resize(elements);
    int64_t coded = 0;
    const auto ready = [&](const StepParameters& parameters, int64_t end) {
      if (end < elements) end -= end % StepCoder::kStretch;
      if (end > coded) coder.code(schedule[step], parameters, coded, end, symbols);
      coded = std::max(coded, end);
    };
    const StepParameters parameters = entropy_model.parameters(step, ready);
    entropy_model.update(step, parameters, symbols);
  }
  return entropy_model.take_proxy();
}

}  // namespace samebits
