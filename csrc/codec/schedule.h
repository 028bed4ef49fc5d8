// Schedules as data (requirement E3, bitstream.md 2): a schedule is a list of steps, a step is a
// list of rectangles. All orders are coded by the same loop and the same network.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "bitstream/header.h"
#include "codec/phases.h"

namespace samebits {

struct ChannelRange {
  int begin = 0;
  int end = 0;

  int size() const { return end - begin; }
  bool operator==(const ChannelRange&) const = default;
};

// Whose known values an element may see: those of the channels in these ranges, which are in order
// and do not touch. Empty: of all channels.
using View = std::vector<ChannelRange>;

// The elements with channel in [channel_begin, channel_end) at positions whose phase is in
// phase_mask (bit p for phase p).
struct Rect {
  int channel_begin = 0;
  int channel_end = 0;
  uint8_t phase_mask = 0;
  View view = {};

  int channels() const { return channel_end - channel_begin; }
  bool operator==(const Rect&) const = default;
};

using Step = std::vector<Rect>;
using Schedule = std::vector<Step>;

// What a schedule needs to know of a model.
struct ChannelGroups {
  int latent_channels = 0;
  std::vector<uint32_t> groups;        // sizes, in order
  std::vector<uint32_t> phase_groups;  // sizes, for phases 3
};

// Sizes of the channel groups that `spec` speaks of; they add up to the latent channels. Errors as
// of make_schedule.
std::vector<uint32_t> group_sizes(const ScheduleSpec& spec, const ChannelGroups& model,
                                  ErrorKind blame);

// The steps of `spec`. A spec that does not fit the model is Error(blame): corrupt_stream if it
// came from a stream, invalid_argument if from a caller.
Schedule make_schedule(const ScheduleSpec& spec, const ChannelGroups& model, ErrorKind blame);

// Whatever made it: every element must be coded exactly once, and views must be ranges of channels
// that hold a rectangle's channels all or not at all. Error(blame) otherwise.
void check_covers_once(const Schedule& schedule, int latent_channels, ErrorKind blame);
void check_views(const Schedule& schedule, int latent_channels, ErrorKind blame);

// True if the view holds the channels of the rectangle.
bool sees(const View& view, const Rect& rect);

// Every view of the schedule once, in the order in which they are needed first.
std::vector<View> distinct_views(const Schedule& schedule);

}  // namespace samebits
