// From a picture to a stream: analysis, hyper-latents, step loop, range coder, container. The
// mirror of decode_picture, integers only as well, so that encoding is reproducible too.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "bitstream/container.h"
#include "codec/latent_values.h"
#include "codec/limits.h"
#include "codec/model.h"
#include "codec/refine.h"
#include "codec/step_loop.h"
#include "codec/time_context.h"
#include "codec/transforms.h"
#include "codec/value_head.h"
#include "entropy/coded_intervals.h"

namespace samebits {

struct EncodeOptions {
  int quality = 50;
  ScheduleSpec schedule;
  bool values = false;  // a probability per value, if the model has a head for it
  bool grey = false;    // the decoder shall return one channel; the caller passes three equal ones
  std::vector<Chunk> chunks;
  // Rounding offset of the latents in 1/256: 128 rounds plainly, less widens the zone of zero.
  int deadzone_q8 = kPlainRounding;
  RefineOptions refine;
  bool keep_source = false;  // EncodeResult::source is wanted
};

struct EncodeResult {
  std::vector<uint8_t> stream;
  SourceLatents source;     // what was coded, if it is wanted
  PictureLatents latents;   // context of the next picture of a series
  uint64_t y_bits_q16 = 0;  // what the entropy model says the symbols cost, in 1/65536 bit
  uint64_t z_bits_q16 = 0;
  int64_t cost_q16 = 0;  // with refinement: file and distortion, see weighed_q16
  size_t payload_bytes = 0;
  int steps = 0;
  int lanes = 0;
};

// Symbols that are coded together, with their CDF rows.
struct Batch {
  std::vector<int32_t> symbols;
  std::vector<uint8_t> rows;
};

// The encoder's part of the step loop: quantizes y and keeps the symbols of every step.
class StepQuantizer : public StepCoder {
 public:
  // Keeps references to `model`, its `values` (null without) and `y`.
  StepQuantizer(const Model& model, const ValueHead* values, int quality, int deadzone_q8,
                const Tensor<int16_t>& y)
      : model_(model), quality_(quality), deadzone_q8_(deadzone_q8), y_(y) {
    if (values != nullptr) value_rows_.emplace(*values);
  }

  void code(const Step& step, const StepParameters& parameters, int64_t begin, int64_t end,
            std::span<int32_t> symbols) override;

  // One for each step: batches without `values`, intervals with them.
  std::vector<Batch> take_batches() { return std::move(batches_); }
  std::vector<CodedIntervals> take_intervals() { return std::move(intervals_); }

 private:
  void keep_intervals(const StepParameters& parameters, int64_t begin, int64_t end,
                      std::span<const int32_t> symbols);

  const Model& model_;
  int quality_;
  int deadzone_q8_;
  const Tensor<int16_t>& y_;
  std::optional<ValueRowMaker> value_rows_;
  std::vector<Batch> batches_;
  std::vector<CodedIntervals> intervals_;
};

// With `earlier` latents the stream becomes one picture of a series, which needs them again.
EncodeResult encode_picture(const PictureView& picture, const Model& model,
                            const EncodeOptions& options, const Limits& limits,
                            EarlierLatents earlier = {});

}  // namespace samebits
