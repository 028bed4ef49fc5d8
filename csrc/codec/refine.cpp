#include "codec/refine.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fixed_point.h"
#include "base/threads.h"
#include "codec/distortion_gradient.h"
#include "codec/element_trace.h"
#include "codec/encode_picture.h"
#include "codec/latent_values.h"
#include "codec/working_set.h"
#include "entropy/cost.h"

namespace samebits {
namespace {

constexpr int kSamples = 3;  // of a pixel
// A move must save this much by its own account, in 1/65536 bit: moves are judged one by one and
// made together. After a round that helped the threshold falls, after one that did not it rises.
constexpr int64_t kFirstThreshold = 3 << 16;
constexpr int64_t kAfterGain = 240, kAfterLoss = 384;  // in 1/256
// A move shifts the latent by an eighth of a step: symbols near the next one change first.
constexpr int kMoveBits = kInverseGainBits + 3;

// How far from the middle of its symbol's interval a latent may end, in 1/8 of a step.
constexpr int kSettledEighths = 3;

// What a change of a channel's symbol by one costs in distortion, in 1/65536 bit.
struct ChannelCost {
  Number slope;      // times the gradient
  int64_t bend_q16;  // always
  int move;          // of the latent
};

Tensor<int32_t> latent_weights(const PictureView& picture, ErrorWeights weights) {
  const LatentSizes sizes = latent_sizes(picture.height, picture.width);
  Tensor<int32_t> mean(sizes.height, sizes.width, 1);
  for (int i = 0; i < sizes.height; ++i) {
    for (int j = 0; j < sizes.width; ++j) {
      const int bottom = std::min((i + 1) * kLatentStride, picture.height);
      const int right = std::min((j + 1) * kLatentStride, picture.width);
      int64_t sum = 0, count = 0;
      for (int row = i * kLatentStride; row < bottom; ++row) {
        for (int column = j * kLatentStride; column < right; ++column, ++count) {
          sum += weights.q8 == nullptr ? 256 : weights.q8[size_t(row) * picture.width + column];
        }
      }
      mean.at(i, j)[0] = static_cast<int32_t>(sum / count);
    }
  }
  return mean;
}

class LatentSearch {
 public:
  LatentSearch(const Model& model, const PictureView& picture, int quality,
               const Schedule& schedule, const HyperInformation& hyper, int64_t lmbda_q24,
               ErrorWeights weights)
      : model_(model),
        quality_(quality),
        schedule_(schedule),
        hyper_(hyper),
        lmbda_q24_(lmbda_q24),
        costs_(model.cdf),
        distortion_(model, picture, weights),
        weight_q8_(latent_weights(picture, weights)) {}

  Tensor<int16_t> run(const Tensor<int16_t>& y, int rounds) {
    State best = look(y);
    weigh_channels(distortion_.curvature(best.y_hat));
    int64_t threshold = kFirstThreshold;
    for (int round = 0; round < rounds; ++round) {
      State next = look(moved(best, threshold));
      const bool helped = next.cost < best.cost;
      threshold = threshold * (helped ? kAfterGain : kAfterLoss) >> 8;
      if (helped) best = std::move(next);
    }
    return settled(best);
  }

 private:
  // Latents, and what coding them gives.
  struct State {
    Tensor<int16_t> y, y_hat;
    ElementTrace trace;
    DistortionGradient::Result distortion;
    int64_t cost = 0;
  };

  State look(Tensor<int16_t> y) {
    State state{std::move(y), {}, {}, {}, 0};
    state.trace = ElementTrace(state.y.height, state.y.width, state.y.channels);
    StepQuantizer quantizer(model_, nullptr, quality_, kPlainRounding, state.y);
    TracingCoder coder(quantizer, state.trace);
    state.y_hat =
        code_latents(model_, nullptr, quality_, schedule_, HyperInformation(hyper_), coder);
    state.distortion = distortion_.at(state.y_hat);
    const uint64_t bits = costs_.sum_q16(state.trace.symbols.data, state.trace.rows.data);
    state.cost = weighed_q16(bits, state.distortion.squared_error, lmbda_q24_);
    return state;
  }

  void weigh_channels(const std::vector<Number>& curvature) {
    const int32_t* inverse_gain = model_.inverse_gain.row(quality_);
    const Number lmbda(lmbda_q24_ / kSamples, -24);
    for (int c = 0; c < model_.latent_channels; ++c) {
      const Number step(inverse_gain[c], -kInverseGainBits);
      channels_.push_back({lmbda * step, (lmbda * curvature[c] * step * step).fixed(16),
                           static_cast<int>(round_shift(inverse_gain[c], kMoveBits))});
    }
  }

  // The latents of a state, none of them so near to another symbol that another arithmetic would
  // round it otherwise.
  Tensor<int16_t> settled(const State& state) const {
    Tensor<int16_t> y = state.y;
    const int32_t* gain = model_.gain.row(quality_);
    for (size_t i = 0; i < y.data.size(); ++i) {
      const int64_t step = (int64_t{1} << (2 * kGainBits)) / gain[i % y.channels];
      const int64_t center = (int64_t{state.trace.mean.data[i]} << kGainBits) +
                             int64_t{state.trace.symbols.data[i]} * step;
      const int64_t most = step * kSettledEighths / 8;
      const int64_t value = int64_t{y.data[i]} << kGainBits;
      y.data[i] = clamp16(round_shift(std::clamp(value, center - most, center + most), kGainBits));
    }
    return y;
  }

  // The latents of a state, some of them moved.
  Tensor<int16_t> moved(const State& state, int64_t threshold) const {
    Tensor<int16_t> y = state.y;
    for (const DistortionGradient::Result::Tile& tile : state.distortion.tiles) {
      parallel_for(tile.gradient.values.height, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          move_row(state, tile, static_cast<int>(row), threshold, y);
        }
      });
    }
    return y;
  }

  void move_row(const State& state, const DistortionGradient::Result::Tile& tile, int row,
                int64_t threshold, Tensor<int16_t>& y) const {
    const Tensor<int16_t>& gradient = tile.gradient.values;
    for (int column = 0; column < gradient.width; ++column) {
      const int i = tile.top + row, j = tile.left + column;
      const int16_t* g = gradient.at(row, column);
      const uint8_t* cdf_row = state.trace.rows.at(i, j);
      const int32_t* symbol = state.trace.symbols.at(i, j);
      const int64_t weight_q8 = weight_q8_.at(i, j)[0];
      for (int c = 0; c < y.channels; ++c) {
        const ChannelCost& channel = channels_[c];
        const int64_t slope =
            Number(g[c] * channel.slope.mantissa, channel.slope.exponent + tile.gradient.exponent)
                .fixed(16);
        const int64_t now = costs_.symbol_q16(cdf_row[c], symbol[c]);
        const int64_t up = slope + costs_.symbol_q16(cdf_row[c], symbol[c] + 1);
        const int64_t down = -slope + costs_.symbol_q16(cdf_row[c], symbol[c] - 1);
        if (std::min(up, down) + (channel.bend_q16 * weight_q8 >> 8) - now >= -threshold) continue;
        int16_t& value = y.at(i, j)[c];
        value = clamp16(value + (up < down ? channel.move : -channel.move));
      }
    }
  }

  const Model& model_;
  int quality_;
  const Schedule& schedule_;
  const HyperInformation& hyper_;
  int64_t lmbda_q24_;
  CostTable costs_;
  DistortionGradient distortion_;
  Tensor<int32_t> weight_q8_;  // of the pixels of a latent position, on the average
  std::vector<ChannelCost> channels_;
};

}  // namespace

int64_t weighed_q16(uint64_t bits_q16, int64_t squared_error, int64_t lmbda_q24) {
  // 2^-24 * 2^16 = 2^-8.
  return static_cast<int64_t>(bits_q16) + squared_error / (kSamples << 8) * lmbda_q24;
}

int64_t lmbda_of(const Model& model, int quality, const RefineOptions& options) {
  if (options.lmbda_q24 > 0) return options.lmbda_q24;
  if (!model.lmbda_q24.empty()) return model.lmbda_q24[quality];
  fail(ErrorKind::invalid_argument,
       "this model's weights file does not say what distortion weighs (lmbda), so refinement must "
       "be told");
}

Tensor<int16_t> refine_latents(const Model& model, const PictureView& picture, int quality,
                               const Schedule& schedule, const HyperInformation& hyper,
                               const Tensor<int16_t>& y, const RefineOptions& options) {
  LatentSearch search(model, picture, quality, schedule, hyper, lmbda_of(model, quality, options),
                      options.weights);
  return search.run(y, options.rounds);
}

int64_t refine_bytes(const Model& model, const LatentSizes& sizes, const Schedule& schedule) {
  const int64_t y = latent_bytes(model, sizes);
  const int64_t elements = y / int64_t{sizeof(int16_t)};
  const int64_t trace = elements * int64_t{sizeof(int16_t) + sizeof(uint8_t) + sizeof(int32_t)};
  const int64_t batches = elements * int64_t{sizeof(int32_t) + sizeof(uint8_t)};
  const int64_t gradient = DistortionGradient::bytes(model, sizes.height, sizes.width);
  return 3 * y + trace +
         std::max(batches + step_loop_bytes(model, sizes, schedule, false), gradient);
}

}  // namespace samebits
