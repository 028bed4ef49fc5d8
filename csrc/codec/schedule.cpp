#include "codec/schedule.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "codec/dependency_modes.h"

namespace samebits {
namespace {

// Two phases that touch only at corners come first: the last two are then enclosed on all sides.
constexpr uint8_t kPhaseOrder[kPhases] = {1 << 0, 1 << 3, 1 << 1, 1 << 2};
constexpr uint8_t kHalves[2] = {1 << 0 | 1 << 3, 1 << 1 | 1 << 2};

std::vector<uint8_t> phase_sets(int phases) {
  if (phases == kCheckerboard) return {std::begin(kHalves), std::end(kHalves)};
  if (phases == kTwoByTwo) return {std::begin(kPhaseOrder), std::end(kPhaseOrder)};
  return {kAllPhases};
}

void check_sizes(const std::vector<uint32_t>& sizes, int latent_channels, ErrorKind blame) {
  const uint64_t sum = std::accumulate(sizes.begin(), sizes.end(), uint64_t{0});
  const bool empty_group = std::count(sizes.begin(), sizes.end(), 0u) != 0;
  if (sizes.size() <= kMaxGroups && !empty_group && sum == static_cast<uint64_t>(latent_channels)) {
    return;
  }
  const std::string what = "the " + std::to_string(sizes.size()) + " channel groups have " +
                           std::to_string(sum) + " channels together; the model has " +
                           std::to_string(latent_channels) + " latent channels";
  if (sizes.size() > kMaxGroups || sizes.empty() || empty_group) {
    fail(blame, what + ", in 1 to 64 groups of at least one channel");
  }
  const char* fault = sum < static_cast<uint64_t>(latent_channels)
                          ? ", so some would never be coded"
                          : ", so there are none for the last groups";
  fail(blame, what + fault);
}

std::vector<uint32_t> even_sizes(uint32_t count, int latent_channels, ErrorKind blame) {
  const auto channels = static_cast<uint32_t>(latent_channels);
  if (count > channels || count > kMaxGroups) {
    fail(blame, std::to_string(count) +
                    " even channel groups are too many: there are at most 64, "
                    "and the model has " +
                    std::to_string(latent_channels) + " latent channels");
  }
  std::vector<uint32_t> sizes(count, channels / count);
  for (uint32_t i = 0; i < channels % count; ++i) ++sizes[i];
  return sizes;
}

std::vector<ChannelRange> channel_ranges(const std::vector<uint32_t>& sizes) {
  std::vector<ChannelRange> ranges;
  int begin = 0;
  for (uint32_t size : sizes) {
    ranges.push_back({begin, begin + static_cast<int>(size)});
    begin = ranges.back().end;
  }
  return ranges;
}

// Every group at another set of phases in every step.
Schedule diagonal(const std::vector<ChannelRange>& groups, ErrorKind blame) {
  const std::vector<uint8_t> sets = phase_sets(groups.size() == 2 ? kCheckerboard : kTwoByTwo);
  if (groups.size() != sets.size()) {
    fail(blame,
         "phases 3 (diagonal) takes two or four groups, not " + std::to_string(groups.size()));
  }
  Schedule schedule(sets.size());
  for (size_t s = 0; s < sets.size(); ++s) {
    for (size_t g = 0; g < groups.size(); ++g) {
      schedule[s].push_back(Rect{groups[g].begin, groups[g].end, sets[(s + g) % sets.size()]});
    }
  }
  return schedule;
}

// For each set of phases the mode's steps.
Schedule phase_by_phase(const std::vector<Step>& channel_steps, const std::vector<uint8_t>& sets) {
  Schedule schedule;
  for (uint8_t set : sets) {
    for (Step step : channel_steps) {
      for (Rect& rect : step) rect.phase_mask = set;
      schedule.push_back(std::move(step));
    }
  }
  return schedule;
}

Schedule steps_of(const ScheduleSpec& spec, const ChannelGroups& model, ErrorKind blame) {
  const std::vector<ChannelRange> groups = channel_ranges(group_sizes(spec, model, blame));
  if (spec.phases == kDiagonal) return diagonal(groups, blame);
  check_group_count(spec, groups.size(), blame);
  return phase_by_phase(channel_steps(spec, groups), phase_sets(spec.phases));
}

bool inside(const ChannelRange& range, int channel) {
  return channel >= range.begin && channel < range.end;
}

bool holds(const View& view, int channel) {
  return view.empty() || std::any_of(view.begin(), view.end(), [&](const ChannelRange& range) {
           return inside(range, channel);
         });
}

}  // namespace

std::vector<uint32_t> group_sizes(const ScheduleSpec& spec, const ChannelGroups& model,
                                  ErrorKind blame) {
  check_schedule(spec, blame);
  std::vector<uint32_t> sizes = spec.phases == kDiagonal ? model.phase_groups : model.groups;
  if (spec.mode == 0) sizes = {static_cast<uint32_t>(model.latent_channels)};
  if (!spec.groups.empty()) sizes = spec.groups;
  if (spec.even_groups != 0) sizes = even_sizes(spec.even_groups, model.latent_channels, blame);
  check_sizes(sizes, model.latent_channels, blame);
  return sizes;
}

Schedule make_schedule(const ScheduleSpec& spec, const ChannelGroups& model, ErrorKind blame) {
  Schedule schedule = steps_of(spec, model, blame);
  check_covers_once(schedule, model.latent_channels, blame);
  check_views(schedule, model.latent_channels, blame);
  return schedule;
}

bool sees(const View& view, const Rect& rect) {
  return holds(view, rect.channel_begin);
}

std::vector<View> distinct_views(const Schedule& schedule) {
  std::vector<View> views;
  for (const Step& step : schedule) {
    for (const Rect& rect : step) {
      if (std::find(views.begin(), views.end(), rect.view) == views.end()) {
        views.push_back(rect.view);
      }
    }
  }
  return views;
}

void check_covers_once(const Schedule& schedule, int latent_channels, ErrorKind blame) {
  // Rectangles are periodic in space, so one count for each phase and channel is all there is.
  std::vector<int> times(static_cast<size_t>(kPhases) * latent_channels);
  for (const Step& step : schedule) {
    for (const Rect& rect : step) {
      if (rect.channel_begin < 0 || rect.channel_begin >= rect.channel_end ||
          rect.channel_end > latent_channels || rect.phase_mask == 0 ||
          rect.phase_mask > kAllPhases) {
        fail(blame, "a rectangle of the schedule has channels " +
                        std::to_string(rect.channel_begin) + " to " +
                        std::to_string(rect.channel_end) + " and phase mask " +
                        std::to_string(rect.phase_mask) + ", outside of the latents");
      }
      for (int p = 0; p < kPhases; ++p) {
        if ((rect.phase_mask >> p & 1) == 0) continue;
        for (int c = rect.channel_begin; c < rect.channel_end; ++c)
          ++times[p * latent_channels + c];
      }
    }
  }
  for (size_t i = 0; i < times.size(); ++i) {
    if (times[i] == 1) continue;
    fail(blame, "the schedule codes channel " + std::to_string(i % latent_channels) + " at phase " +
                    std::to_string(i / latent_channels) + " " + std::to_string(times[i]) +
                    " times; every element must be coded exactly once");
  }
}

void check_views(const Schedule& schedule, int latent_channels, ErrorKind blame) {
  for (const View& view : distinct_views(schedule)) {
    int end = -1;  // of the range before
    for (const ChannelRange& range : view) {
      if (range.begin <= end || range.begin >= range.end || range.end > latent_channels) {
        fail(blame, "a view of the schedule has channels " + std::to_string(range.begin) + " to " +
                        std::to_string(range.end) + ", out of order or outside of the latents");
      }
      end = range.end;
    }
    for (const Step& step : schedule) {
      for (const Rect& rect : step) {
        for (int c = rect.channel_begin; c < rect.channel_end; ++c) {
          if (holds(view, c) == sees(view, rect)) continue;
          fail(blame, "a view of the schedule holds only some of channels " +
                          std::to_string(rect.channel_begin) + " to " +
                          std::to_string(rect.channel_end) + ", which are coded together");
        }
      }
    }
  }
}

}  // namespace samebits
