#include "codec/entropy_model.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/in_order.h"
#include "base/threads.h"
#include "codec/latent_runs.h"

namespace samebits {
namespace {

constexpr int kBlock = 64;  // positions that go through the network together

// Calls work(begin, end) for blocks of positions, on all threads. Every block writes its own
// elements, so neither the blocks nor the threads can change a bit.
template <class Work>
void for_blocks(int64_t positions, const Work& work) {
  parallel_for((positions + kBlock - 1) / kBlock, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      work(block * kBlock, std::min(positions, (block + 1) * kBlock));
    }
  });
}

}  // namespace

EntropyModel::EntropyModel(const Model& model, int quality, HyperInformation hyper)
    : model_(model),
      quality_(quality),
      proxy_(std::move(hyper.prediction)),
      context_(model, quality, proxy_, hyper.features) {
  for (std::vector<uint8_t>& mask : mask_) mask.assign(model.latent_channels, 0);
}

int64_t EntropyModel::elements(const Step& step) const {
  int64_t count = 0;
  for (const Rect& rect : step) count += positions(rect).count() * rect.channels();
  return count;
}

StepParameters EntropyModel::parameters(const Step& step, const Ready& ready) {
  // Positions [begin, end) of a rectangle, whose elements begin at `first`.
  struct Block {
    const Rect* rect;
    std::shared_ptr<const RangeLayers> layers;
    int64_t begin, end, first;
  };
  std::vector<Block> blocks;
  int64_t first = 0;
  for (const Rect& rect : step) {
    const auto layers = model_.layers->range(model_, rect.channel_begin, rect.channel_end);
    const int64_t count = positions(rect).count();
    for (int64_t begin = 0; begin < count; begin += kBlock)
      blocks.push_back({&rect, layers, begin, std::min(count, begin + kBlock), first});
    first += count * rect.channels();
  }
  StepParameters parameters;
  parameters.mean.resize(first);
  parameters.row.resize(first);
  const auto compute = [&](int64_t n) {
    const Block& block = blocks[n];
    block_parameters(*block.rect, *block.layers, block.begin, block.end,
                     parameters.mean.data() + block.first, parameters.row.data() + block.first);
  };
  const auto computed = [&](int64_t, int64_t end) {
    const Block& last = blocks[end - 1];
    ready(parameters, last.first + last.end * last.rect->channels());
  };
  produce_in_order(static_cast<int64_t>(blocks.size()), compute, computed);
  return parameters;
}

// The network at positions [begin, end) of a rectangle. All layers are 1 x 1, so positions side by
// side in memory need not be neighbours in the picture.
void EntropyModel::block_parameters(const Rect& rect, const RangeLayers& layers, int64_t begin,
                                    int64_t end, int16_t* mean, uint8_t* row) const {
  const MaskedPositions at = positions(rect);
  const int count = static_cast<int>(end - begin), channels = rect.channels();
  std::vector<int16_t> hidden(static_cast<size_t>(count) * model_.context_channels), next;
  context_.activations(at, begin, end, hidden.data());
  const std::vector<ConvLayer>& network = model_.entropy.layers();
  for (size_t i = 0; i + 1 < network.size(); ++i) {
    next.resize(static_cast<size_t>(count) * network[i].out_channels);
    conv2d(network[i], hidden.data(), 1, count, next.data());
    std::swap(hidden, next);
  }
  std::vector<int16_t> delta(static_cast<size_t>(count) * channels), log_scale(delta.size());
  conv2d(layers.delta, hidden.data(), 1, count, delta.data());
  conv2d(layers.log_scale, hidden.data(), 1, count, log_scale.data());

  const int32_t* log2_gain = model_.log2_gain.row(quality_) + rect.channel_begin;
  for (int i = 0; i < count; ++i) {
    const Position p = at.at(begin + i);
    // An element is coded once, and until then its proxy is the prediction.
    const int16_t* prediction = proxy_.at(p.row, p.column) + rect.channel_begin;
    const int64_t from = int64_t{i} * channels, to = (begin + i) * channels;
    means_and_rows(prediction, delta.data() + from, log_scale.data() + from, log2_gain,
                   model_.scale_rows, channels, mean + to, row + to);
  }
}

void EntropyModel::update(const Step& step, const StepParameters& parameters,
                          std::span<const int32_t> symbols, StepIs step_is) {
  int64_t first = 0;
  for (const Rect& rect : step) {
    const std::vector<int16_t> changes =
        update_proxy(rect, parameters.mean.data() + first, symbols.data() + first);
    update_mask(rect);
    if (step_is == StepIs::followed) context_.add_known(rect, changes);
    first += static_cast<int64_t>(changes.size());
  }
}

// E2, proxy updater: true values take the place of predictions. Returns how proxy_q has changed.
std::vector<int16_t> EntropyModel::update_proxy(const Rect& rect, const int16_t* mean,
                                                const int32_t* symbols) {
  const MaskedPositions at = positions(rect);
  const int channels = rect.channels();
  const int32_t* inverse_gain = model_.inverse_gain.row(quality_) + rect.channel_begin;
  std::vector<int16_t> changes(at.count() * channels);
  for_blocks(at.count(), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const Position p = at.at(n);
      const int64_t first = n * channels;
      update_proxies(mean + first, symbols + first, inverse_gain, model_.proxy_shift, channels,
                     proxy_.at(p.row, p.column) + rect.channel_begin, changes.data() + first);
    }
  });
  return changes;
}

// E2, mask updater.
void EntropyModel::update_mask(const Rect& rect) {
  for (int p = 0; p < kPhases; ++p) {
    if ((rect.phase_mask >> p & 1) == 0) continue;
    std::fill(mask_[p].begin() + rect.channel_begin, mask_[p].begin() + rect.channel_end, 1);
  }
}

Tensor<int16_t> code_latents(const Model& model, int quality, const Schedule& schedule,
                             HyperInformation hyper, StepCoder& coder) {
  if (distinct_views(schedule) != std::vector<View>{View{}}) {
    fail(ErrorKind::unsupported_version, "modes 4 to 6 are not coded by this version yet");
  }
  EntropyModel entropy_model(model, quality, std::move(hyper));
  std::vector<int32_t> symbols;
  for (const Step& step : schedule) {
    const int64_t elements = entropy_model.elements(step);
    symbols.resize(elements);
    int64_t coded = 0;
    const auto ready = [&](const StepParameters& parameters, int64_t end) {
      if (end < elements) end -= end % StepCoder::kStretch;
      if (end > coded) coder.code(step, parameters, coded, end, symbols);
      coded = std::max(coded, end);
    };
    const StepParameters parameters = entropy_model.parameters(step, ready);
    const bool last = &step == &schedule.back();
    entropy_model.update(step, parameters, symbols,
                         last ? EntropyModel::StepIs::last : EntropyModel::StepIs::followed);
  }
  return entropy_model.take_proxy();
}

}  // namespace samebits
