// Requirement E3 on the integer network: one latent element gets other values, everything else
// stays, and we look at which elements' distribution parameters change. They must be exactly those
// that the channel-dependency mode lets depend on it, among its 3 x 3 neighbors. The modes are
// written down here once more, from the requirement; nothing of schedule.cpp is used for them.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "check.h"
#include "codec/entropy_model.h"
#include "codec_tiny_model.h"

using namespace samebits;

namespace {

constexpr int kChannels = TinyWeights::kLatents;
constexpr int kHeight = 5, kWidth = 6;
constexpr int kQuality = 50;
constexpr int kTrials = 6;

// Steps of size one: y_hat is y, whatever the mean is, so one element can change alone.
Model exact_model() {
  TinyWeights weights(3);
  std::fill(weights.values("gain").begin(), weights.values("gain").end(), 1 << 24);
  std::fill(weights.values("inverse_gain").begin(), weights.values("inverse_gain").end(), 1 << 8);
  return Model::load(weights.file());
}

// E3: how the channels are split, and of which mode.
struct Layout {
  int mode;
  std::vector<int> sizes;
  int first = 0;  // groups in the first part

  int group(int channel) const {
    int g = 0;
    for (int end = sizes[0]; channel >= end; end += sizes[g]) ++g;
    return g;
  }
  bool in_first_part(int channel) const { return group(channel) < first; }

  // Channel i is dependent on channel j.
  bool depends(int i, int j) const {
    const int gi = group(i), gj = group(j);
    const bool earlier = j < i, same = gi == gj;
    switch (mode) {
      case 0:
        return false;
      case 1:  // S_i : S_1 .. S_i-1;  D : S
        return gi == 0 ? earlier : gj == 0;
      case 2:  // G : the groups before
        return gj < gi;
      case 3:  // as mode 2, and the first group's channels one after another
        return gj < gi || (gi == 0 && earlier);
      case 4:  // inside the group only
        return same && earlier;
      case 5:  // first part as mode 4; H : the subgroups before, and the first part
        return in_first_part(i) ? same && earlier : gj < gi;
      default:  // first part as mode 4; H_i : H_1 .. H_i-1 of its subgroup, and the first part
        return in_first_part(i) ? same && earlier : in_first_part(j) || (same && earlier);
    }
  }

  // Channel i may know channel j at positions that were coded in an earlier phase: whoever is
  // independent of another group stays so.
  bool sees_earlier_phase(int i, int j) const {
    const bool same = group(i) == group(j);
    if (mode == 4 || (mode >= 5 && in_first_part(i))) return same;
    return mode != 6 || same || in_first_part(j);
  }
};

// Which of the sets of phases, in coding order, a position belongs to.
int phase_set(int phases, int row, int column) {
  const int r = row % 2, c = column % 2;
  if (phases == 1) return r == c ? 0 : 1;
  if (phases == 2) return r == c ? r : 2 + r;
  return 0;
}

struct Element {
  int row, column, channel;
};

bool definition(const Layout& layout, int phases, const Element& e, const Element& on) {
  if (std::abs(e.row - on.row) > 1 || std::abs(e.column - on.column) > 1) return false;
  if (phases == 3) {  // K steps; step s has group g at set (s + g) mod K
    const int k = static_cast<int>(layout.sizes.size());
    const auto step = [&](const Element& x) {
      const int set = phase_set(k == 2 ? 1 : 2, x.row, x.column);
      return (set - layout.group(x.channel) + k) % k;
    };
    return step(on) < step(e);
  }
  const int set = phase_set(phases, e.row, e.column);
  const int set_on = phase_set(phases, on.row, on.column);
  if (set == set_on) return layout.depends(e.channel, on.channel);
  return set_on < set && layout.sees_earlier_phase(e.channel, on.channel);
}

struct Parameters {
  Tensor<int16_t> mean{kHeight, kWidth, kChannels};
  Tensor<uint8_t> row{kHeight, kWidth, kChannels};
};

// The parameters of all elements of y, coded by `schedule`.
Parameters parameters_of(const Model& model, const Schedule& schedule,
                         const HyperInformation& hyper, const Tensor<int16_t>& y) {
  Parameters all;
  EntropyModel entropy(model, nullptr, kQuality, schedule, hyper);
  for (size_t step = 0; step < schedule.size(); ++step) {
    const StepParameters found = entropy.parameters(step, [](const StepParameters&, int64_t) {});
    std::vector<int32_t> symbols;
    for (const Rect& rect : schedule[step]) {
      const MaskedPositions positions(kHeight, kWidth, rect.phase_mask);
      for (int64_t n = 0; n < positions.count(); ++n) {
        const Position p = positions.at(n);
        for (int c = rect.channel_begin; c < rect.channel_end; ++c) {
          const size_t i = symbols.size();
          all.mean.at(p.row, p.column)[c] = found.mean[i];
          all.row.at(p.row, p.column)[c] = found.row[i];
          symbols.push_back(y.at(p.row, p.column)[c] - found.mean[i]);
        }
      }
    }
    entropy.update(step, found, symbols);
  }
  CHECK(entropy.take_proxy().data == y.data);
  return all;
}

Tensor<int16_t> random_tensor(Random& random, int channels, int limit) {
  Tensor<int16_t> tensor(kHeight, kWidth, channels);
  for (int16_t& v : tensor.data) v = static_cast<int16_t>(random.between(-limit, limit));
  return tensor;
}

// True if what changes is what the definition says, for every element at the four phases of
// positions in the middle.
bool dependencies_are(const Model& model, const Schedule& schedule, const Layout& layout,
                      int phases) {
  Random random(7);
  const HyperInformation hyper{random_tensor(random, model.feature_channels, 3000),
                               random_tensor(random, kChannels, 1500)};
  const Tensor<int16_t> y = random_tensor(random, kChannels, 3000);
  const Parameters before = parameters_of(model, schedule, hyper, y);
  for (int changed = 0; changed < 4 * kChannels; ++changed) {
    const Element on{2 + changed % 2, 2 + changed / 2 % 2, changed / 4};
    std::vector<bool> changes(y.data.size());
    for (int trial = 0; trial < kTrials; ++trial) {
      Tensor<int16_t> other = y;
      other.at(on.row, on.column)[on.channel] =
          static_cast<int16_t>(random.between(4000, 12000) * (trial % 2 == 0 ? 1 : -1));
      const Parameters after = parameters_of(model, schedule, hyper, other);
      for (size_t i = 0; i < changes.size(); ++i) {
        const bool differs =
            before.mean.data[i] != after.mean.data[i] || before.row.data[i] != after.row.data[i];
        changes[i] = changes[i] || differs;
      }
    }
    for (size_t i = 0; i < changes.size(); ++i) {
      const int position = static_cast<int>(i) / kChannels;
      const Element e{position / kWidth, position % kWidth, static_cast<int>(i) % kChannels};
      if (changes[i] != definition(layout, phases, e, on)) return false;
    }
  }
  return true;
}

Schedule schedule_of(const Layout& layout, int phases) {
  ScheduleSpec spec{layout.mode, phases, {}, 0, static_cast<uint32_t>(layout.first)};
  if (layout.mode != 0) spec.groups.assign(layout.sizes.begin(), layout.sizes.end());
  return make_schedule(spec, {kChannels, {}, {}}, ErrorKind::invalid_argument);
}

const std::vector<Layout>& layouts() {
  static const std::vector<Layout> all = {
      {0, {8}},
      {1, {2, 6}},
      {1, {3, 1, 4}},
      {2, {3, 5}},
      {2, {1, 4, 2, 1}},
      {3, {3, 5}},
      {3, {2, 3, 2, 1}},
      {4, {4, 4}},
      {4, {1, 5, 2}},
      {5, {2, 2, 1, 3}, 2},
      {5, {3, 2, 3}, 1},
      {6, {2, 2, 2, 2}, 2},
      {6, {1, 3, 1, 3}, 1},
  };
  return all;
}

void every_mode(const Model& model) {
  for (const Layout& layout : layouts()) {
    for (int phases : {0, 1, 2}) {
      if (dependencies_are(model, schedule_of(layout, phases), layout, phases)) continue;
      std::fprintf(stderr, "mode %d with %zu groups, phases %d: other dependencies\n", layout.mode,
                   layout.sizes.size(), phases);
      std::exit(1);
    }
  }
  for (const std::vector<int>& sizes : {std::vector{5, 3}, {1, 2, 3, 2}}) {
    CHECK(dependencies_are(model, schedule_of({2, sizes}, 3), {2, sizes}, 3));
  }
}

// This test would be worth nothing if it passed for schedules that are wrong.
void wrong_schedules(const Model& model) {
  const Layout chains{4, {4, 4}};
  Schedule schedule = schedule_of(chains, 0);
  schedule[2][1].view = {};  // sees the other chain
  CHECK(!dependencies_are(model, schedule, chains, 0));
  schedule = schedule_of(chains, 0);
  schedule[1][0].view = {{4, 8}};  // does not see its own
  CHECK(!dependencies_are(model, schedule, chains, 0));

  const Layout parts{6, {2, 2, 2, 2}, 2};
  schedule = schedule_of(parts, 1);
  for (Rect& rect : schedule.back()) rect.view = {{rect.channel_begin & ~1, rect.channel_end}};
  CHECK(!dependencies_are(model, schedule, parts, 1));  // the first part is missing

  const Layout groups{2, {3, 5}};
  schedule = schedule_of(groups, 0);
  schedule[0].push_back(schedule[1][0]);  // both groups in one step
  schedule.pop_back();
  CHECK(!dependencies_are(model, schedule, groups, 0));
  schedule = schedule_of(groups, 0);
  std::swap(schedule[0], schedule[1]);
  CHECK(!dependencies_are(model, schedule, groups, 0));
  schedule = schedule_of(groups, 1);
  CHECK(dependencies_are(model, schedule, groups, 1));
  for (Step& step : schedule) step[0].phase_mask ^= kAllPhases;
  CHECK(!dependencies_are(model, schedule, groups, 1));
  CHECK(!dependencies_are(model, schedule_of(groups, 3), groups, 1));
}

}  // namespace

int main() {
  const Model model = exact_model();
  every_mode(model);
  wrong_schedules(model);
}
