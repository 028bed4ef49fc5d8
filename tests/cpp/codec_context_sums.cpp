// Requirement X3: the step loop against full passes of the network over [proxy_q | 256 * mask |
// features], before every step and for every view that the step has: running sums, means and rows,
// bit for bit, with every target and several thread counts.
#include <algorithm>
#include <vector>

#include "base/threads.h"
#include "check.h"
#include "codec/entropy_model.h"
#include "codec/full_pass.h"
#include "codec_tiny_model.h"
#include "nn/target.h"

using namespace samebits;

namespace {

constexpr int kQuality = 50;

Tensor<int16_t> random_tensor(Random& random, int height, int width, int channels, int limit) {
  Tensor<int16_t> tensor(height, width, channels);
  for (int16_t& v : tensor.data) v = static_cast<int16_t>(random.between(-limit, limit));
  return tensor;
}

// The elements of a rectangle, in coding order, from those of all elements.
void append(const StepParameters& all, int channels, const Rect& rect,
            const MaskedPositions& positions, int width, StepParameters& to) {
  for (int64_t n = 0; n < positions.count(); ++n) {
    const Position p = positions.at(n);
    const int64_t place = (int64_t{p.row} * width + p.column) * channels;
    for (int c = rect.channel_begin; c < rect.channel_end; ++c) {
      to.mean.push_back(all.mean[place + c]);
      to.row.push_back(all.row[place + c]);
    }
  }
}

void compare(const Model& model, const Schedule& schedule, int height, int width, uint64_t seed) {
  Random random(seed);
  const Tensor<int16_t> features =
      random_tensor(random, height, width, model.feature_channels, 8000);
  // Predictions and true values up to the ends of int16: proxy_q saturates, changes are as large as
  // they can be.
  const Tensor<int16_t> prediction =
      random_tensor(random, height, width, model.latent_channels, 32767);
  EntropyModel entropy(model, nullptr, kQuality, schedule, {features, prediction});
  for (size_t step = 0; step < schedule.size(); ++step) {
    StepParameters expected;
    for (size_t n = 0; n < schedule[step].size(); ++n) {
      const Rect& rect = schedule[step][n];
      const Inputs inputs{entropy.proxy(), entropy.mask(), prediction, features, rect.view};
      CHECK(entropy.sums(step, n).data == full_context_sums(model, inputs).data);
      append(full_pass(model, kQuality, inputs), model.latent_channels, rect,
             MaskedPositions(height, width, rect.phase_mask), width, expected);
    }
    int64_t told = 0;
    const auto ready = [&](const StepParameters&, int64_t end) {
      CHECK(end > told);
      told = end;
    };
    const StepParameters parameters = entropy.parameters(step, ready);
    CHECK(told == entropy.elements(step));
    CHECK(static_cast<int64_t>(parameters.mean.size()) == entropy.elements(step));
    CHECK(parameters.mean == expected.mean);
    CHECK(parameters.row == expected.row);
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
        compare(model, schedule, 2, 70, ++seed);
      }
    }
  }
}
