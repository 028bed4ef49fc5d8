#include "codec/context_sums.h"

#include <algorithm>
#include <cstdlib>

#include "base/threads.h"
#include "nn/requantize.h"

namespace samebits {
namespace {

constexpr int kKernel = 3;
constexpr int kTaps = kKernel * kKernel;
constexpr int kBlock = 64;  // positions worked on at once: their sums stay in the cache

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

Tensor<int16_t> first_pass_input(const Model& model, const Tensor<int16_t>& prediction,
                                 const Tensor<int16_t>& features) {
  const int m = model.latent_channels, f = model.feature_channels;
  Tensor<int16_t> input(prediction.height, prediction.width, m + f);
  parallel_for(input.height, [&](int64_t begin, int64_t end) {
    for (int y = static_cast<int>(begin); y < end; ++y) {
      for (int x = 0; x < input.width; ++x) {
        const int16_t* from = prediction.at(y, x);
        int16_t* to = input.at(y, x);
        for (int c = 0; c < m; ++c) to[c] = proxy_q(from[c], model.proxy_shift);
        std::copy_n(features.at(y, x), f, to + m);
      }
    }
  });
  return input;
}

ConvLayer range_layer(const Model& model, int begin, int end, int ky) {
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

// Sums are kept modulo 2^32, as the convolution kernels do; only complete ones are promised to fit.
void add_wrapping(int32_t* to, const int32_t* from, int count) {
  for (int i = 0; i < count; ++i) {
    to[i] = static_cast<int32_t>(static_cast<uint32_t>(to[i]) + static_cast<uint32_t>(from[i]));
  }
}

}  // namespace

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

ContextSums::ContextSums(const Model& model, int quality, const Tensor<int16_t>& prediction,
                         const Tensor<int16_t>& features)
    : model_(model),
      bias_(model.context.bias.row(quality)),
      sums_(prediction.height, prediction.width, model.context_channels) {
  const Tensor<int16_t> input = first_pass_input(model, prediction, features);
  conv2d_accumulate(first_pass_layer(model), input.data.data(), input.height, input.width,
                    sums_.data.data());
}

const ContextSums::RangeLayers& ContextSums::layers_of(const Rect& rect) {
  for (const RangeLayers& layers : ranges_) {
    if (layers.begin == rect.channel_begin && layers.end == rect.channel_end) return layers;
  }
  RangeLayers layers{rect.channel_begin, rect.channel_end, {}};
  for (int ky = 0; ky < kKernel; ++ky) {
    layers.row[ky] = range_layer(model_, rect.channel_begin, rect.channel_end, ky);
  }
  ranges_.push_back(std::move(layers));
  return ranges_.back();
}

void ContextSums::add_known(const Rect& rect, std::span<const int16_t> changes) {
  const RangeLayers& layers = layers_of(rect);
  const MaskedPositions positions(sums_.height, sums_.width, rect.phase_mask);
  // A thread owns rows of the sums and collects what the rows above, at and below add to them.
  parallel_for(sums_.height, [&](int64_t begin, int64_t end) {
    std::vector<int32_t> buffer(size_t{kBlock} * kKernel * model_.context_channels);
    for (int row = static_cast<int>(begin); row < end; ++row) {
      for (int ky = 0; ky < kKernel; ++ky) add_row(layers, positions, changes, row, ky, buffer);
    }
  });
}

// Adds to row `row` of the sums what the known elements of row + ky - 1 contribute through kernel
// row ky: sums[row][j] reads known[row + ky - 1][j + kx - 1].
void ContextSums::add_row(const RangeLayers& layers, const MaskedPositions& positions,
                          std::span<const int16_t> changes, int row, int ky,
                          std::vector<int32_t>& buffer) {
  const int from = row + ky - 1;
  if (from < 0 || from >= sums_.height) return;
  const int c1 = model_.context_channels, channels = layers.end - layers.begin;
  const int16_t* known = changes.data() + positions.before(from) * channels;
  for (int n = 0; n < positions.in_row(from); n += kBlock) {
    const int count = std::min(kBlock, positions.in_row(from) - n);
    conv2d_accumulate(layers.row[ky], known + int64_t{n} * channels, 1, count, buffer.data());
    for (int i = 0; i < count; ++i) {
      const int column = positions.column(from, n + i);
      for (int kx = 0; kx < kKernel; ++kx) {
        const int to = column + 1 - kx;
        if (to < 0 || to >= sums_.width) continue;
        add_wrapping(sums_.at(row, to), &buffer[(size_t{3} * i + kx) * c1], c1);
      }
    }
  }
}

void ContextSums::activations(const MaskedPositions& positions, int64_t begin, int64_t end,
                              int16_t* out) const {
  const ContextLayer& layer = model_.context;
  const int c1 = model_.context_channels;
  std::vector<int32_t> accumulators((end - begin) * c1);
  int32_t* acc = accumulators.data();
  for (int64_t n = begin; n < end; ++n, acc += c1) {
    const Position at = positions.at(n);
    std::copy_n(sums_.at(at.row, at.column), c1, acc);
    add_wrapping(acc, bias_, c1);
  }
  requantize(accumulators.data(), end - begin, c1, layer.multiplier.data(), layer.shift.data(),
             layer.leaky, layer.lo, layer.hi, out);
}

}  // namespace samebits
