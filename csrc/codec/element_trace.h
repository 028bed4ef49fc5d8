// What the step loop found for every element, where the element stands.
#pragma once

#include <cstdint>
#include <span>

#include "codec/step_loop.h"
#include "nn/tensor.h"

namespace samebits {

// Tensors (h, w, M).
struct ElementTrace {
  Tensor<int16_t> mean;
  Tensor<uint8_t> rows;
  Tensor<int32_t> symbols;

  ElementTrace() = default;
  ElementTrace(int height, int width, int channels)
      : mean(height, width, channels),
        rows(height, width, channels),
        symbols(height, width, channels) {}
};

// Writes what another coder sees and does into a trace.
class TracingCoder : public StepCoder {
 public:
  // Keeps references to both.
  TracingCoder(StepCoder& coder, ElementTrace& trace) : coder_(coder), trace_(trace) {}

  void code(const Step& step, const StepParameters& parameters, int64_t begin, int64_t end,
            std::span<int32_t> symbols) override {
    coder_.code(step, parameters, begin, end, symbols);
    if (end < static_cast<int64_t>(symbols.size())) return;
    size_t i = 0;
    for (const Rect& rect : step) {
      const MaskedPositions positions(trace_.mean.height, trace_.mean.width, rect.phase_mask);
      for (int64_t n = 0; n < positions.count(); ++n) {
        const Position p = positions.at(n);
        for (int c = rect.channel_begin; c < rect.channel_end; ++c, ++i) {
          trace_.mean.at(p.row, p.column)[c] = parameters.mean[i];
          trace_.rows.at(p.row, p.column)[c] = parameters.row[i];
          trace_.symbols.at(p.row, p.column)[c] = symbols[i];
        }
      }
    }
  }

 private:
  StepCoder& coder_;
  ElementTrace& trace_;
};

}  // namespace samebits
