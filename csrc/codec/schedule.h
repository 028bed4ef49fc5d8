// Schedules as data (requirement E3, bitstream.md 2): a schedule is a list of steps, a step is a
// list of rectangles. All orders are coded by the same loop and the same network.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "bitstream/header.h"

namespace samebits {

inline constexpr int kPhases = 4;
inline constexpr uint8_t kAllPhases = 15;

// The phase of a position (row, column), arithmetic.md 4.
constexpr int phase_of(int row, int column) {
  return 2 * (row & 1) + (column & 1);
}

// The elements with channel in [channel_begin, channel_end) at positions whose phase is in
// phase_mask (bit p for phase p).
struct Rect {
  int channel_begin = 0;
  int channel_end = 0;
  uint8_t phase_mask = 0;

  int channels() const { return channel_end - channel_begin; }
  bool operator==(const Rect&) const = default;
};

using Step = std::vector<Rect>;
using Schedule = std::vector<Step>;

// What a schedule needs to know of a model.
struct ChannelGroups {
  int latent_channels = 0;
  std::vector<uint32_t> groups;        // sizes, in order
  std::vector<uint32_t> phase_groups;  // four sizes, for phases 3
};

// The steps of `spec`. A spec that does not fit the model is Error(blame): corrupt_stream if it
// came from a stream, invalid_argument if from a caller.
Schedule make_schedule(const ScheduleSpec& spec, const ChannelGroups& model, ErrorKind blame);

// Whatever made it: every element must be coded exactly once. Error(blame) otherwise.
void check_covers_once(const Schedule& schedule, int latent_channels, ErrorKind blame);

struct Position {
  int row = 0;
  int column = 0;
};

// Positions of a phase mask on a grid, in coding order (row by row).
class MaskedPositions {
 public:
  MaskedPositions(int height, int width, uint8_t phase_mask);

  int in_row(int row) const { return line_[row & 1].count; }
  // Column of the n-th position of a row.
  int column(int row, int n) const { return line_[row & 1].first + n * line_[row & 1].stride; }
  // Number of positions in the rows above `row`.
  int64_t before(int row) const {
    return int64_t{(row + 1) / 2} * line_[0].count + int64_t{row / 2} * line_[1].count;
  }
  int64_t count() const { return before(height_); }
  // The n-th of all positions, 0 <= n < count().
  Position at(int64_t n) const;

 private:
  struct Line {
    int first = 0;
    int stride = 1;
    int count = 0;
  };
  int height_;
  Line line_[2];  // of even and of odd rows
};

}  // namespace samebits
