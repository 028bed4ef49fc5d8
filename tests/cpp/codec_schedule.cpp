// Schedules as data: the orders, the positions of a phase mask, and that a schedule which does not
// cover every element exactly once is refused.
#include <vector>

#include "check.h"
#include "codec/schedule.h"

using namespace samebits;

namespace {

const ChannelGroups kModel{8, {1, 2, 5}, {1, 1, 2, 4}};

Schedule make(int mode, int phases, std::vector<uint32_t> groups = {}) {
  return make_schedule({mode, phases, std::move(groups)}, kModel, ErrorKind::invalid_argument);
}

void orders() {
  CHECK((make(0, 0) == Schedule{{Rect{0, 8, 15}}}));
  CHECK((make(2, 0, {3, 5}) == Schedule{{Rect{0, 3, 15}}, {Rect{3, 8, 15}}}));
  CHECK(make(2, 2).size() == 12);
  CHECK((make(2, 2)[3] == Step{Rect{0, 1, 8}}));
  CHECK(make(2, 3).size() == 4);
  CHECK((make(2, 3)[1] == Step{Rect{0, 1, 8}, Rect{1, 2, 2}, Rect{2, 4, 4}, Rect{4, 8, 1}}));
}

void refusals() {
  for (int mode : {-1, 1, 3, 4, 5, 6, 7})
    CHECK_FAILS(invalid_argument, "no schedule", make(mode, 0));
  for (int phases : {-1, 1, 4}) CHECK_FAILS(invalid_argument, "no schedule", make(2, phases));
  CHECK_FAILS(invalid_argument, "no schedule", make(0, 3));
  CHECK_FAILS(invalid_argument, "channel groups", make(2, 0, {4, 5}));
  CHECK_FAILS(invalid_argument, "channel groups", make(2, 0, {8, 0}));
  CHECK_FAILS(invalid_argument, "channel groups", make(2, 0, {UINT32_MAX, 9}));
  CHECK_FAILS(corrupt_stream, "channel groups",
              make_schedule({2, 0, {9}}, kModel, ErrorKind::corrupt_stream));
}

// Whatever makes a schedule one day: the check does not know modes.
void coverage() {
  const auto check = [](const Schedule& schedule) {
    check_covers_once(schedule, 4, ErrorKind::invalid_argument);
  };
  check({{Rect{0, 4, 15}}});
  check({{Rect{2, 4, 15}, Rect{0, 2, 3}}, {Rect{0, 2, 12}}});
  CHECK_FAILS(invalid_argument, "0 times", check({}));
  CHECK_FAILS(invalid_argument, "0 times", check({{Rect{0, 3, 15}}}));
  CHECK_FAILS(invalid_argument, "0 times", check({{Rect{0, 4, 14}}}));
  CHECK_FAILS(invalid_argument, "2 times", check({{Rect{0, 4, 15}}, {Rect{1, 2, 4}}}));
  CHECK_FAILS(invalid_argument, "2 times", check({{Rect{0, 4, 15}, Rect{0, 4, 15}}}));
  CHECK_FAILS(invalid_argument, "outside", check({{Rect{0, 5, 15}}}));
  CHECK_FAILS(invalid_argument, "outside", check({{Rect{-1, 4, 15}}}));
  CHECK_FAILS(invalid_argument, "outside", check({{Rect{0, 4, 15}, Rect{2, 2, 15}}}));
  CHECK_FAILS(invalid_argument, "outside", check({{Rect{0, 4, 31}}}));
  CHECK_FAILS(invalid_argument, "outside", check({{Rect{0, 4, 0}}}));
}

void positions() {
  for (int height = 1; height <= 5; ++height) {
    for (int width = 1; width <= 5; ++width) {
      for (int mask = 1; mask <= kAllPhases; ++mask) {
        const MaskedPositions positions(height, width, static_cast<uint8_t>(mask));
        int64_t n = 0;
        for (int row = 0; row < height; ++row) {
          CHECK(positions.before(row) == n);
          int in_row = 0;
          for (int column = 0; column < width; ++column) {
            if ((mask >> phase_of(row, column) & 1) == 0) continue;
            CHECK(positions.at(n).row == row);
            CHECK(positions.at(n).column == column);
            CHECK(positions.column(row, in_row) == column);
            ++n;
            ++in_row;
          }
          CHECK(positions.in_row(row) == in_row);
        }
        CHECK(positions.count() == n);
      }
    }
  }
}

}  // namespace

int main() {
  orders();
  refusals();
  coverage();
  positions();
}
