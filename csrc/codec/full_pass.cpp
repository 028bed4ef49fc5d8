#include "codec/full_pass.h"

#include <algorithm>

#include "base/threads.h"
#include "codec/context_sums.h"
#include "codec/latent_runs.h"
#include "nn/conv.h"
#include "nn/requantize.h"

namespace samebits {
namespace {

constexpr int kKernel = 3;
constexpr int kRows = 32;  // of inputs that are made at once

// The context layer as the weights file has it.
ConvLayer context_layer(const Model& model) {
  ConvLayer layer;
  layer.in_channels = 2 * model.latent_channels + model.feature_channels;
  layer.out_channels = model.context_channels;
  layer.kernel = kKernel;
  layer.weight = model.context.weight;
  layer.prepare();
  return layer;
}

std::vector<uint8_t> channels_of(const View& view, int channels) {
  std::vector<uint8_t> seen(channels, view.empty());
  for (const ChannelRange& range : view)
    std::fill(seen.begin() + range.begin, seen.begin() + range.end, 1);
  return seen;
}

// [proxy_q | 256 * mask | features] at one position.
void fill_inputs(const Model& model, const Inputs& inputs, const std::vector<uint8_t>& seen, int y,
                 int x, int16_t* to) {
  const int m = model.latent_channels;
  const int16_t* proxy = inputs.proxy.at(y, x);
  const int16_t* prediction = inputs.prediction.at(y, x);
  const int phase = phase_of(y, x);
  for (int c = 0; c < m; ++c) {
    const bool known = seen[c] && inputs.mask.known(phase, c);
    to[c] = proxy_q(known ? proxy[c] : prediction[c], model.proxy_shift);
    to[m + c] = known ? kMaskValue : 0;
  }
  std::copy_n(inputs.features.at(y, x), model.feature_channels, to + 2 * m);
}

}  // namespace

Tensor<int32_t> full_context_sums(const Model& model, const Inputs& inputs) {
  const ConvLayer layer = context_layer(model);
  const std::vector<uint8_t> seen = channels_of(inputs.view, model.latent_channels);
  const int height = inputs.proxy.height, width = inputs.proxy.width;
  Tensor<int32_t> sums(height, width, model.context_channels);
  const size_t row_size = static_cast<size_t>(width) * layer.in_channels;
  std::vector<int16_t> rows((kRows + 2) * row_size);
  for (int begin = 0; begin < height; begin += kRows) {
    const int end = std::min(begin + kRows, height);
    const int first = std::max(begin - 1, 0), last = std::min(end + 1, height);
    parallel_for(last - first, [&](int64_t from, int64_t to) {
      for (int64_t n = from; n < to; ++n) {
        int16_t* in = rows.data() + n * row_size;
        for (int x = 0; x < width; ++x, in += layer.in_channels)
          fill_inputs(model, inputs, seen, first + static_cast<int>(n), x, in);
      }
    });
    conv2d_accumulate_rows(layer, {rows.data(), first, last - first, height, width}, begin, end,
                           sums.at(begin, 0));
  }
  return sums;
}

StepParameters full_pass(const Model& model, int quality, const Inputs& inputs) {
  const ContextLayer& context = model.context;
  const int m = model.latent_channels, c1 = model.context_channels;
  Tensor<int32_t> sums = full_context_sums(model, inputs);
  const int64_t positions = int64_t{sums.height} * sums.width;
  const int32_t* bias = context.bias.row(quality);
  Tensor<int16_t> hidden(sums.height, sums.width, c1);
  StepParameters all;
  all.mean.resize(positions * m);
  all.row.resize(positions * m);
  parallel_for(positions, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      int32_t* acc = sums.data.data() + n * c1;
      for (int o = 0; o < c1; ++o)
        acc[o] =
            static_cast<int32_t>(static_cast<uint32_t>(acc[o]) + static_cast<uint32_t>(bias[o]));
    }
    requantize(sums.data.data() + begin * c1, end - begin, c1, context.multiplier.data(),
               context.shift.data(), context.leaky, context.lo, context.hi,
               hidden.data.data() + begin * c1);
  });
  const Tensor<int16_t> out = model.entropy.run(hidden);
  parallel_for(positions, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const int16_t* delta = out.data.data() + n * 2 * m;
      means_and_rows(inputs.prediction.data.data() + n * m, delta, delta + m,
                     model.log2_gain.row(quality), model.scale_rows, m, all.mean.data() + n * m,
                     all.row.data() + n * m);
    }
  });
  return all;
}

}  // namespace samebits
