// Requirement X3: the running sums of the context layer against a full convolution over
// [proxy_q | 256 * mask | features] before every step, for every view that the step has, bit for
// bit, with every target and several thread counts.
#include <algorithm>
#include <vector>

#include "base/threads.h"
#include "check.h"
#include "codec/entropy_model.h"
#include "codec_tiny_model.h"
#include "nn/target.h"

using namespace samebits;

namespace {

Tensor<int16_t> random_tensor(Random& random, int height, int width, int channels, int limit) {
  Tensor<int16_t> tensor(height, width, channels);
  for (int16_t& v : tensor.data) v = static_cast<int16_t>(random.between(-limit, limit));
  return tensor;
}

// What the document says the context layer reads for a view, convolved anew.
Tensor<int32_t> full_pass(const Model& model, const EntropyModel& entropy,
                          const Tensor<int16_t>& features, const Tensor<int16_t>& prediction,
                          const View& view) {
  const int m = model.latent_channels, f = model.feature_channels;
  std::vector<bool> visible(m, view.empty());
  for (const ChannelRange& range : view) {
    for (int c = range.begin; c < range.end; ++c) visible[c] = true;
  }
  Tensor<int16_t> in(prediction.height, prediction.width, 2 * m + f);
  for (int y = 0; y < in.height; ++y) {
    for (int x = 0; x < in.width; ++x) {
      int16_t* to = in.at(y, x);
      for (int c = 0; c < m; ++c) {
        const bool known = visible[c] && entropy.mask().known(phase_of(y, x), c);
        const Tensor<int16_t>& from = known ? entropy.proxy() : prediction;
        to[c] = proxy_q(from.at(y, x)[c], model.proxy_shift);
        to[m + c] = known ? 256 : 0;
      }
      std::copy_n(features.at(y, x), f, to + 2 * m);
    }
  }
  ConvLayer layer;
  layer.in_channels = 2 * m + f;
  layer.out_channels = model.context_channels;
  layer.kernel = 3;
  layer.weight = model.context.weight;
  layer.prepare();
  Tensor<int32_t> sums(in.height, in.width, layer.out_channels);
  conv2d_accumulate(layer, in.data.data(), in.height, in.width, sums.data.data());
  return sums;
}

void compare(const Model& model, const Schedule& schedule, int height, int width, uint64_t seed) {
  Random random(seed);
  const Tensor<int16_t> features =
      random_tensor(random, height, width, model.feature_channels, 8000);
  // Predictions and true values up to the ends of int16: proxy_q saturates, changes are as large as
  // they can be.
  const Tensor<int16_t> prediction =
      random_tensor(random, height, width, model.latent_channels, 32767);
  EntropyModel entropy(model, nullptr, 50, schedule, {features, prediction});
  for (size_t step = 0; step < schedule.size(); ++step) {
    for (size_t n = 0; n < schedule[step].size(); ++n) {
      CHECK(entropy.sums(step, n).data ==
            full_pass(model, entropy, features, prediction, schedule[step][n].view).data);
    }
    int64_t told = 0;
    const auto ready = [&](const StepParameters&, int64_t end) {
      CHECK(end > told);
      told = end;
    };
    const StepParameters parameters = entropy.parameters(step, ready);
    CHECK(told == entropy.elements(step));
    CHECK(static_cast<int64_t>(parameters.mean.size()) == entropy.elements(step));
    std::vector<int32_t> symbols(parameters.mean.size());
    for (int32_t& s : symbols) s = static_cast<int32_t>(random.between(-200, 200));
    entropy.update(step, parameters, symbols);
  }
  for (int phase = 0; phase < kPhases; ++phase) {
    for (int c = 0; c < model.latent_channels; ++c) CHECK(entropy.mask().known(phase, c));
  }
}

const std::vector<ScheduleSpec>& specs() {
  static const std::vector<ScheduleSpec> all = {
      {0, 0, {}},       {0, 1, {}},        {2, 0, {}},
      {2, 2, {}},       {2, 3, {}},        {2, 3, {}, 2},
      {1, 0, {}, 4},    {3, 1, {3, 1, 4}}, {4, 0, {}},
      {4, 2, {}, 3},    {5, 0, {}, 4, 2},  {5, 1, {2, 1, 3, 2}, 0, 2},
      {6, 0, {}, 0, 1}, {6, 0, {}, 5, 2},  {6, 2, {2, 1, 3, 2}, 0, 2},
  };
  return all;
}

}  // namespace

int main() {
  const Model model = tiny_model();
  for (const std::string& target : targets()) {
    for (int threads : {1, 2, 7}) {
      set_target(target);
      set_thread_count(threads);
      uint64_t seed = 0;
      for (const ScheduleSpec& spec : specs()) {
        const Schedule schedule = make_schedule(spec, model.groups, ErrorKind::invalid_argument);
        compare(model, schedule, 1, 1, ++seed);
        compare(model, schedule, 9, 13, ++seed);
        compare(model, schedule, 2, 140, ++seed);
      }
    }
  }
}
