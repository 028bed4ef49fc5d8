#include "codec/step_layers.h"

#include <cstdlib>

#include "codec/context_sums.h"
#include "codec/model.h"

namespace samebits {
namespace {

constexpr int kKernel = 3;
constexpr int kTaps = kKernel * kKernel;
// A schedule has at most as many ranges as channels; beyond this, layers are made and forgotten.
constexpr size_t kMostRanges = 1024;

// Weight [output][tap][first input] of the context layer.
const int16_t* weight_at(const Model& model, int output, int tap) {
  const int inputs = 2 * model.latent_channels + model.feature_channels;
  return model.context.weight.data() + (static_cast<size_t>(output) * kTaps + tap) * inputs;
}

// Where each kind of input begins among the context layer's inputs.
int mask_input(const Model& model) {
  return model.latent_channels;
}
int feature_input(const Model& model) {
  return 2 * model.latent_channels;
}

// The context layer for a mask of zeros: the mask's weights are left out.
ConvLayer first_pass_layer(const Model& model) {
  const int m = model.latent_channels, f = model.feature_channels;
  ConvLayer layer;
  layer.in_channels = m + f;
  layer.out_channels = model.context_channels;
  layer.kernel = kKernel;
  for (int o = 0; o < layer.out_channels; ++o) {
    for (int tap = 0; tap < kTaps; ++tap) {
      const int16_t* w = weight_at(model, o, tap);
      layer.weight.insert(layer.weight.end(), w, w + m);
      w += feature_input(model);
      layer.weight.insert(layer.weight.end(), w, w + f);
    }
  }
  layer.prepare();
  return layer;
}

ConvLayer context_layer(const Model& model, int begin, int end, int ky) {
  ConvLayer layer;
  layer.in_channels = end - begin;
  layer.out_channels = kKernel * model.context_channels;
  for (int kx = 0; kx < kKernel; ++kx) {
    for (int o = 0; o < model.context_channels; ++o) {
      const int16_t* w = weight_at(model, o, ky * kKernel + kx);
      layer.weight.insert(layer.weight.end(), w + begin, w + end);
      const int16_t* mask_weight = w + mask_input(model);
      int32_t mask_sum = 0;  // section 6 bounds 256 times the sum of magnitudes
      for (int c = begin; c < end; ++c) mask_sum += mask_weight[c];
      layer.bias.push_back(kMaskValue * mask_sum);
    }
  }
  layer.prepare();
  return layer;
}

}  // namespace

StepLayers::StepLayers(const Model& model) : first_pass_(first_pass_layer(model)) {}

std::shared_ptr<const RangeLayers> StepLayers::range(const Model& model, int channel_begin,
                                                     int channel_end) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto known = ranges_.find({channel_begin, channel_end});
  if (known != ranges_.end()) return known->second;
  const ConvLayer& last = model.entropy.layers().back();
  const int m = model.latent_channels;
  auto layers = std::make_shared<RangeLayers>();
  for (int ky = 0; ky < kKernel; ++ky) {
    layers->context[ky] = context_layer(model, channel_begin, channel_end, ky);
  }
  layers->last =
      slice_outputs(last, {{channel_begin, channel_end}, {m + channel_begin, m + channel_end}});
  if (model.values) {
    const int j = model.values->coefficients;
    layers->coefficients = slice_outputs(model.values->network.layers().back(),
                                         {{channel_begin * j, channel_end * j}});
  }
  if (ranges_.size() < kMostRanges) ranges_[{channel_begin, channel_end}] = layers;
  return layers;
}

int64_t context_bound(const Model& model) {
  const int m = model.latent_channels, f = model.feature_channels;
  const int64_t feature_limit =
      std::max(std::abs(model.hyper_synthesis.out_lo()), std::abs(model.hyper_synthesis.out_hi()));
  int64_t bound = 0;
  for (int o = 0; o < model.context_channels; ++o) {
    int64_t sum = 0;
    for (int tap = 0; tap < kTaps; ++tap) {
      const int16_t* w = weight_at(model, o, tap);
      for (int c = 0; c < m; ++c) sum += int64_t{std::abs(w[c])} * kMaxProxy;
      for (int c = 0; c < m; ++c) sum += int64_t{std::abs(w[mask_input(model) + c])} * kMaskValue;
      for (int c = 0; c < f; ++c) sum += std::abs(w[feature_input(model) + c]) * feature_limit;
    }
    for (int q = 0; q < kQualities; ++q) {
      bound = std::max(bound, sum + std::abs(int64_t{model.context.bias.row(q)[o]}));
    }
  }
  return bound;
}

}  // namespace samebits
