#include "codec/dependency_modes.h"

#include <algorithm>
#include <iterator>
#include <string>

namespace samebits {
namespace {

using Steps = std::vector<Step>;
using Groups = std::vector<ChannelRange>;

// A view of two ranges in order, in its one form: nothing empty, nothing that touches, and nothing
// at all if it holds all channels.
View view_of(ChannelRange before, ChannelRange own, int channels) {
  if (before.size() != 0 && before.end == own.begin) own.begin = before.begin;
  if (own == ChannelRange{0, channels}) return {};
  if (before.size() == 0 || before.begin == own.begin) return {own};
  return {before, own};
}

// The channels of a group, one after another.
Steps one_by_one(const ChannelRange& group) {
  Steps steps;
  for (int c = group.begin; c < group.end; ++c) steps.push_back({Rect{c, c + 1, 0}});
  return steps;
}

// Groups one after another.
Steps group_by_group(const Groups& groups) {
  Steps steps;
  for (const ChannelRange& g : groups) steps.push_back({Rect{g.begin, g.end, 0}});
  return steps;
}

// Chains that do not see each other: step s has the s-th channel of every group that has one.
// All of them see `before`.
Steps side_by_side(const Groups& groups, ChannelRange before, int channels) {
  Steps steps;
  for (const ChannelRange& g : groups) {
    const View view = view_of(before, g, channels);
    if (static_cast<int>(steps.size()) < g.size()) steps.resize(g.size());
    for (int s = 0; s < g.size(); ++s) {
      const int c = g.begin + s;
      steps[s].push_back(Rect{c, c + 1, 0, view});
    }
  }
  return steps;
}

Steps then(Steps steps, Steps more) {
  std::move(more.begin(), more.end(), std::back_inserter(steps));
  return steps;
}

}  // namespace

void check_group_count(const ScheduleSpec& spec, size_t groups, ErrorKind blame) {
  if (spec.mode == 1 && groups < 2) {
    fail(blame, "mode 1 needs two groups or more: the first is the seed, the others depend on it");
  }
  if (spec.has_parts() && spec.first >= groups) {
    fail(blame, "`first` is " + std::to_string(spec.first) + " and there are " +
                    std::to_string(groups) + " groups; both parts of mode " +
                    std::to_string(spec.mode) + " need one group or more");
  }
}

std::vector<Step> channel_steps(const ScheduleSpec& spec, const std::vector<ChannelRange>& groups) {
  const int channels = groups.back().end;
  const ChannelRange& seed = groups.front();
  switch (spec.mode) {
    case 1:
      return then(one_by_one(seed), group_by_group({{seed.end, channels}}));
    case 3:
      return then(one_by_one(seed), group_by_group({groups.begin() + 1, groups.end()}));
    case 4:
      return side_by_side(groups, {}, channels);
    case 5:
    case 6: {
      const Groups first(groups.begin(), groups.begin() + spec.first);
      const Groups second(groups.begin() + spec.first, groups.end());
      const ChannelRange first_part{0, first.back().end};
      return then(
          side_by_side(first, {}, channels),
          spec.mode == 5 ? group_by_group(second) : side_by_side(second, first_part, channels));
    }
    default:  // 0, of one group, and 2
      return group_by_group(groups);
  }
}

}  // namespace samebits
