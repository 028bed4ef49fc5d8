// The channel-dependency modes (requirement E3): which channels are coded in which step, and what
// they may see. Positions are schedule.cpp's affair.
#pragma once

#include <cstddef>
#include <vector>

#include "base/error.h"
#include "codec/schedule.h"

namespace samebits {

// Error(blame) if the mode cannot be built of so many groups.
void check_group_count(const ScheduleSpec& spec, size_t groups, ErrorKind blame);

// The mode's steps over contiguous groups that cover all channels. The phase masks are left 0.
std::vector<Step> channel_steps(const ScheduleSpec& spec, const std::vector<ChannelRange>& groups);

}  // namespace samebits
