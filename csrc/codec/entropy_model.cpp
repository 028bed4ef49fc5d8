#include "codec/entropy_model.h"

#include <algorithm>
#include <memory>

#include "base/in_order.h"
#include "codec/latent_runs.h"
#include "codec/step_layers.h"
#include "nn/conv.h"

namespace samebits {
namespace {

constexpr int kBlock = 64;  // positions that go through the network together

}  // namespace

// Positions [begin, end) of a rectangle, whose elements begin at `first` among those of its step.
struct EntropyModel::Block {
  const Rect* rect;
  int sums;  // the buffer it reads
  std::shared_ptr<const RangeLayers> layers;
  int64_t begin, end, first;
};

EntropyModel::EntropyModel(const Model& model, const ValueHead* values, int quality,
                           const Schedule& schedule, HyperInformation hyper)
    : model_(model),
      values_(values),
      quality_(quality),
      schedule_(schedule),
      plan_(plan_sums(schedule)),
      mask_(model.latent_channels),
      proxy_(std::move(hyper.prediction)),
      context_(model, quality, proxy_.values(), hyper.features) {}

int64_t EntropyModel::elements(size_t step) const {
  int64_t count = 0;
  for (const Rect& rect : schedule_[step]) count += positions(rect).count() * rect.channels();
  return count;
}

StepParameters EntropyModel::parameters(size_t step, const Ready& ready) const {
  std::vector<Block> blocks;
  int64_t first = 0;
  for (size_t n = 0; n < schedule_[step].size(); ++n) {
    const Rect& rect = schedule_[step][n];
    const auto layers = model_.layers->range(model_, rect.channel_begin, rect.channel_end);
    const int64_t count = positions(rect).count();
    for (int64_t begin = 0; begin < count; begin += kBlock) {
      const int64_t end = std::min(count, begin + kBlock);
      blocks.push_back({&rect, plan_.steps[step].read[n], layers, begin, end, first});
    }
    first += count * rect.channels();
  }
  StepParameters parameters;
  parameters.mean.resize(first);
  parameters.row.resize(first);
  const int64_t per_element = values_ == nullptr ? 0 : values_->coefficients;
  parameters.coefficients.resize(first * per_element);
  const auto compute = [&](int64_t n) {
    block_parameters(blocks[n], parameters.mean.data() + blocks[n].first,
                     parameters.row.data() + blocks[n].first,
                     parameters.coefficients.data() + blocks[n].first * per_element);
  };
  const auto computed = [&](int64_t, int64_t end) {
    const Block& last = blocks[end - 1];
    ready(parameters, last.first + last.end * last.rect->channels());
  };
  produce_in_order(static_cast<int64_t>(blocks.size()), compute, computed);
  return parameters;
}

// The network at the positions of a block. All layers are 1 x 1, so positions side by side in
// memory need not be neighbors in the picture.
void EntropyModel::block_parameters(const Block& block, int16_t* mean, uint8_t* row,
                                    int16_t* coefficients) const {
  const Rect& rect = *block.rect;
  const MaskedPositions at = positions(rect);
  const int count = static_cast<int>(block.end - block.begin), channels = rect.channels();
  std::vector<int16_t> hidden(static_cast<size_t>(count) * model_.context_channels), next;
  context_.activations(block.sums, at, block.begin, block.end, hidden.data());
  if (values_ != nullptr) {
    const ConvLayer& last = block.layers->coefficients;
    run_value_head(*values_, last, hidden, count, coefficients + block.begin * last.out_channels);
  }
  const std::vector<ConvLayer>& network = model_.entropy.layers();
  for (size_t i = 0; i + 1 < network.size(); ++i) {
    next.resize(static_cast<size_t>(count) * network[i].out_channels);
    conv2d(network[i], hidden.data(), 1, count, next.data());
    std::swap(hidden, next);
  }
  next.resize(static_cast<size_t>(count) * 2 * channels);
  conv2d(block.layers->last, hidden.data(), 1, count, next.data());

  const int32_t* log2_gain = model_.log2_gain.row(quality_) + rect.channel_begin;
  Position p = at.at(block.begin);
  for (int i = 0; i < count; ++i, p = at.next(p)) {
    // An element is coded once, and until then its proxy is the prediction.
    const int16_t* prediction = proxy().at(p.row, p.column) + rect.channel_begin;
    const int16_t* delta = next.data() + int64_t{i} * 2 * channels;
    const int64_t to = (block.begin + i) * channels;
    means_and_rows(prediction, delta, delta + channels, log2_gain, model_.scale_rows, channels,
                   mean + to, row + to);
  }
}

void EntropyModel::update(size_t step, const StepParameters& parameters,
                          std::span<const int32_t> symbols) {
  const SumsPlan::AtStep& plan = plan_.steps[step];
  for (const int buffer : plan.drops) context_.drop(buffer);
  for (const SumsPlan::Copy& copy : plan.copies) context_.copy(copy.from, copy.to);
  int64_t first = 0;
  for (size_t n = 0; n < schedule_[step].size(); ++n) {
    const Rect& rect = schedule_[step][n];
    const std::vector<int16_t> changes = proxy_.update(
        model_, quality_, rect, parameters.mean.data() + first, symbols.data() + first);
    if (!plan.adds_to[n].empty()) context_.add_known(rect, changes, plan.adds_to[n]);
    first += static_cast<int64_t>(changes.size());
  }
  mask_.update(schedule_[step]);
}

}  // namespace samebits
