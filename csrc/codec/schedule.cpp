#include "codec/schedule.h"

#include <algorithm>
#include <numeric>
#include <string>

namespace samebits {
namespace {

// Two phases that touch only at corners come first: the last two are then enclosed on all sides.
constexpr int kPhaseOrder[kPhases] = {0, 3, 1, 2};

struct ChannelRange {
  int begin, end;
};

std::vector<ChannelRange> channel_ranges(const std::vector<uint32_t>& sizes) {
  std::vector<ChannelRange> ranges;
  int begin = 0;
  for (uint32_t size : sizes) {
    ranges.push_back({begin, begin + static_cast<int>(size)});
    begin = ranges.back().end;
  }
  return ranges;
}

void check_sizes(const std::vector<uint32_t>& sizes, int latent_channels, ErrorKind blame) {
  const uint64_t sum = std::accumulate(sizes.begin(), sizes.end(), uint64_t{0});
  const bool empty_group = std::count(sizes.begin(), sizes.end(), 0u) != 0;
  if (sizes.size() <= kMaxGroups && !empty_group && sum == static_cast<uint64_t>(latent_channels)) {
    return;
  }
  fail(blame, "the " + std::to_string(sizes.size()) + " channel groups have " +
                  std::to_string(sum) +
                  " channels together; they must be 1 to 64 groups of at least one channel, and "
                  "the model has " +
                  std::to_string(latent_channels) + " latent channels");
}

uint8_t phase_bit(int order) {
  return static_cast<uint8_t>(1 << kPhaseOrder[order % kPhases]);
}

Schedule group_steps(const std::vector<ChannelRange>& groups, uint8_t phase_mask) {
  Schedule schedule;
  for (const ChannelRange& g : groups) schedule.push_back({Rect{g.begin, g.end, phase_mask}});
  return schedule;
}

Schedule phase_by_phase(const std::vector<ChannelRange>& groups) {
  Schedule schedule;
  for (int p = 0; p < kPhases; ++p) {
    for (Step& step : group_steps(groups, phase_bit(p))) schedule.push_back(std::move(step));
  }
  return schedule;
}

Schedule diagonal(const std::vector<ChannelRange>& groups) {
  Schedule schedule(kPhases);
  for (int s = 0; s < kPhases; ++s) {
    for (int g = 0; g < static_cast<int>(groups.size()); ++g) {
      schedule[s].push_back(Rect{groups[g].begin, groups[g].end, phase_bit(s + g)});
    }
  }
  return schedule;
}

Schedule steps_of(const ScheduleSpec& spec, const ChannelGroups& model, ErrorKind blame) {
  if (spec.mode == 0 && spec.phases == 0 && spec.groups.empty()) {
    return {{Rect{0, model.latent_channels, kAllPhases}}};
  }
  if (spec.mode == 2) {
    const std::vector<uint32_t>& default_sizes =
        spec.phases == 3 ? model.phase_groups : model.groups;
    const std::vector<uint32_t>& sizes = spec.groups.empty() ? default_sizes : spec.groups;
    check_sizes(sizes, model.latent_channels, blame);
    const std::vector<ChannelRange> groups = channel_ranges(sizes);
    if (spec.phases == 0) return group_steps(groups, kAllPhases);
    if (spec.phases == 2) return phase_by_phase(groups);
    if (spec.phases == 3 && groups.size() == kPhases) return diagonal(groups);
  }
  fail(blame, "there is no schedule of mode " + std::to_string(spec.mode) + " with phases " +
                  std::to_string(spec.phases) + " and " + std::to_string(spec.groups.size()) +
                  " explicit groups: use mode 0 with phases 0, or mode 2 with phases 0, 2 or 3 "
                  "(phases 3 takes four groups)");
}

}  // namespace

Schedule make_schedule(const ScheduleSpec& spec, const ChannelGroups& model, ErrorKind blame) {
  Schedule schedule = steps_of(spec, model, blame);
  check_covers_once(schedule, model.latent_channels, blame);
  return schedule;
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

MaskedPositions::MaskedPositions(int height, int width, uint8_t phase_mask) : height_(height) {
  for (int parity = 0; parity < 2; ++parity) {
    const int columns = phase_mask >> (2 * parity) & 3;
    Line& line = line_[parity];
    if (columns == 3) line = {0, 1, width};
    if (columns == 1) line = {0, 2, (width + 1) / 2};
    if (columns == 2) line = {1, 2, width / 2};
  }
}

Position MaskedPositions::at(int64_t n) const {
  const int64_t two_rows = int64_t{line_[0].count} + line_[1].count;
  const int row = static_cast<int>(n / two_rows) * 2;
  const int rest = static_cast<int>(n % two_rows);
  if (rest < line_[0].count) return {row, column(row, rest)};
  return {row + 1, column(row + 1, rest - line_[0].count)};
}

}  // namespace samebits
