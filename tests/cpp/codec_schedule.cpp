// Schedules as data: the orders, the positions of a phase mask, and that a schedule which does not
// cover every element exactly once is refused.
#include <vector>

#include "check.h"
#include "codec/schedule.h"

using namespace samebits;

namespace {

const ChannelGroups kModel{8, {1, 2, 5}, {1, 1, 2, 4}};

Schedule make(int mode, int phases, std::vector<uint32_t> groups = {}, uint32_t even = 0,
              uint32_t first = 0) {
  return make_schedule({mode, phases, std::move(groups), even, first}, kModel,
                       ErrorKind::invalid_argument);
}

Rect at(int channel, View view = {}) {
  return {channel, channel + 1, kAllPhases, std::move(view)};
}

Rect range(int begin, int end) {
  return {begin, end, kAllPhases};
}

void phases() {
  CHECK((make(0, 0) == Schedule{{Rect{0, 8, 15}}}));
  CHECK((make(0, 1) == Schedule{{Rect{0, 8, 9}}, {Rect{0, 8, 6}}}));
  CHECK(
      (make(0, 2) == Schedule{{Rect{0, 8, 1}}, {Rect{0, 8, 8}}, {Rect{0, 8, 2}}, {Rect{0, 8, 4}}}));
  CHECK((make(2, 1, {3, 5}) ==
         Schedule{{Rect{0, 3, 9}}, {Rect{3, 8, 9}}, {Rect{0, 3, 6}}, {Rect{3, 8, 6}}}));
  CHECK(make(2, 2).size() == 12);
  CHECK((make(2, 2)[3] == Step{Rect{0, 1, 8}}));
  CHECK(make(2, 3).size() == 4);
  CHECK((make(2, 3)[1] == Step{Rect{0, 1, 8}, Rect{1, 2, 2}, Rect{2, 4, 4}, Rect{4, 8, 1}}));
  CHECK((make(2, 3, {3, 5}) ==
         Schedule{{Rect{0, 3, 9}, Rect{3, 8, 6}}, {Rect{0, 3, 6}, Rect{3, 8, 9}}}));
  CHECK((make(2, 3, {}, 4) == make(2, 3, {2, 2, 2, 2})));
  CHECK((make(4, 1, {4, 4})[4] == Step{Rect{0, 1, 6, {{0, 4}}}, Rect{4, 5, 6, {{4, 8}}}}));
}

void modes() {
  CHECK((make(1, 0, {2, 3, 3}) == Schedule{{at(0)}, {at(1)}, {range(2, 8)}}));
  CHECK((make(2, 0, {3, 5}) == Schedule{{range(0, 3)}, {range(3, 8)}}));
  CHECK((make(3, 0, {2, 2, 4}) == Schedule{{at(0)}, {at(1)}, {range(2, 4)}, {range(4, 8)}}));
  const View a{{0, 1}}, b{{1, 3}}, c{{3, 8}};
  CHECK((make(4, 0) == Schedule{{at(0, a), at(1, b), at(3, c)},
                                {at(2, b), at(4, c)},
                                {at(5, c)},
                                {at(6, c)},
                                {at(7, c)}}));
  CHECK((make(5, 0, {}, 0, 2) == Schedule{{at(0, a), at(1, b)}, {at(2, b)}, {range(3, 8)}}));
  CHECK((make(5, 0, {1, 2, 2, 3}, 0, 2) ==
         Schedule{{at(0, a), at(1, b)}, {at(2, b)}, {range(3, 5)}, {range(5, 8)}}));
  const View first_and_second{{0, 5}}, first_and_third{{0, 3}, {5, 8}};
  CHECK(
      (make(6, 0, {1, 2, 2, 3}, 0, 2) == Schedule{{at(0, a), at(1, b)},
                                                  {at(2, b)},
                                                  {at(3, first_and_second), at(5, first_and_third)},
                                                  {at(4, first_and_second), at(6, first_and_third)},
                                                  {at(7, first_and_third)}}));
  // A single group sees everything there is.
  CHECK((make(4, 0, {8}) == make(3, 0, {8})));
  CHECK((make(6, 0, {4, 4}, 0, 1)[4] == Step{at(4)}));
  CHECK((make(2, 0, {}, 3) == make(2, 0, {3, 3, 2})));
  CHECK((make(2, 0, {}, 8).size() == 8));
}

// Requirement E3's number of steps, from the sizes alone.
void numbers_of_steps() {
  const std::vector<uint32_t> sizes{3, 1, 2, 2};
  const size_t wanted[kModes] = {1, 3 + 1, 4, 4 - 1 + 3, 3, 3 + 2, 3 + 2};
  const size_t sets[] = {1, 2, 4};
  for (int mode = 0; mode < kModes; ++mode) {
    for (int phases : {kTogether, kCheckerboard, kTwoByTwo}) {
      const std::vector<uint32_t> groups = mode == 0 ? std::vector<uint32_t>{} : sizes;
      const uint32_t first = mode >= 5 ? 2 : 0;
      CHECK(make(mode, phases, groups, 0, first).size() == wanted[mode] * sets[phases]);
    }
  }
}

void refusals() {
  for (int mode : {-1, 7}) CHECK_FAILS(invalid_argument, "modes are 0 to 6", make(mode, 0));
  for (int phases : {-1, 4}) CHECK_FAILS(invalid_argument, "phases are 0 to 3", make(2, phases));
  for (int mode : {0, 1, 3, 4}) CHECK_FAILS(invalid_argument, "mode 2 only", make(mode, 3));
  CHECK_FAILS(invalid_argument, "mode 0 has no groups", make(0, 0, {8}));
  CHECK_FAILS(invalid_argument, "mode 0 has no groups", make(0, 0, {}, 2));
  CHECK_FAILS(invalid_argument, "not both", make(2, 0, {4, 4}, 2));
  CHECK_FAILS(invalid_argument, "two or four groups", make(2, 3, {4, 2, 2}));
  CHECK_FAILS(invalid_argument, "two or four groups", make(2, 3, {}, 8));
  CHECK_FAILS(invalid_argument, "two groups or more", make(1, 0, {8}));
  CHECK_FAILS(invalid_argument, "first", make(5, 0));
  CHECK_FAILS(invalid_argument, "first", make(4, 0, {}, 0, 1));
  CHECK_FAILS(invalid_argument, "there are 3 groups", make(6, 0, {}, 0, 3));
  CHECK_FAILS(invalid_argument, "channel groups", make(2, 0, {4, 5}));
  CHECK_FAILS(invalid_argument, "channel groups", make(2, 0, {8, 0}));
  CHECK_FAILS(invalid_argument, "channel groups", make(2, 0, {UINT32_MAX, 9}));
  CHECK_FAILS(invalid_argument, "too many", make(4, 0, {}, 9));
  CHECK_FAILS(invalid_argument, "too many", make(4, 0, {}, UINT32_MAX));
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

void views() {
  const auto check = [](const Schedule& schedule) {
    check_views(schedule, 4, ErrorKind::invalid_argument);
  };
  const auto step = [](View view) {
    return Schedule{{Rect{0, 2, 15, std::move(view)}, Rect{2, 4, 15}}};
  };
  check(step({}));
  check(step({{0, 4}}));
  check(step({{2, 4}}));
  CHECK(distinct_views(step({{2, 4}})) == (std::vector<View>{{{2, 4}}, {}}));
  CHECK(sees({{2, 4}}, at(3)) && !sees({{2, 4}}, at(1)) && sees({}, at(1)));
  CHECK_FAILS(invalid_argument, "only some of channels 0 to 2", check(step({{1, 4}})));
  CHECK_FAILS(invalid_argument, "out of order", check(step({{2, 4}, {0, 2}})));
  CHECK_FAILS(invalid_argument, "out of order", check(step({{0, 2}, {2, 4}})));
  CHECK_FAILS(invalid_argument, "out of order", check(step({{2, 2}})));
  CHECK_FAILS(invalid_argument, "outside", check(step({{2, 5}})));
  CHECK_FAILS(invalid_argument, "outside", check(step({{-1, 4}})));
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
            if (n != 0) CHECK(positions.next(positions.at(n - 1)) == positions.at(n));
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
  phases();
  modes();
  numbers_of_steps();
  refusals();
  coverage();
  views();
  positions();
}
