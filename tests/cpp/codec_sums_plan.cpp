// Plans of context sums for all orders: what a rectangle reads has been told of exactly the
// elements that its view lets it see, buffers are shared as long as they can be, and none is kept
// in vain.
#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "check.h"
#include "codec/sums_plan.h"

using namespace samebits;

namespace {

const ChannelGroups kModel{12, {1, 2, 5, 4}, {1, 1, 4, 6}};

using Places = std::multiset<std::pair<size_t, size_t>>;  // steps and rectangles in them

bool in_view(const View& view, const Rect& rect) {
  return view.empty() || std::any_of(view.begin(), view.end(), [&](const ChannelRange& range) {
           return range.begin <= rect.channel_begin && rect.channel_end <= range.end;
         });
}

Places visible(const Schedule& schedule, size_t until, const View& view) {
  Places places;
  for (size_t s = 0; s < until; ++s) {
    for (size_t n = 0; n < schedule[s].size(); ++n) {
      if (in_view(view, schedule[s][n])) places.insert({s, n});
    }
  }
  return places;
}

// Follows the plan; returns the most buffers that were there at once.
int follow(const Schedule& schedule) {
  const SumsPlan plan = plan_sums(schedule);
  CHECK(plan.steps.size() == schedule.size());
  std::map<int, Places> buffers{{0, {}}};
  size_t most = 1;
  for (size_t s = 0; s < schedule.size(); ++s) {
    const SumsPlan::AtStep& at = plan.steps[s];
    std::set<int> read(at.read.begin(), at.read.end());
    CHECK(at.read.size() == schedule[s].size());
    for (size_t n = 0; n < schedule[s].size(); ++n) {
      CHECK(buffers.at(at.read[n]) == visible(schedule, s, schedule[s][n].view));
    }
    for (int buffer : at.drops) CHECK(buffers.erase(buffer) == 1);
    for (const auto& [from, to] : at.copies) {
      CHECK(buffers.try_emplace(to, buffers.at(from)).second);
      CHECK(to < plan.buffers);
    }
    most = std::max(most, buffers.size());
    CHECK(at.adds_to.size() == schedule[s].size());
    for (size_t n = 0; n < schedule[s].size(); ++n) {
      for (int buffer : at.adds_to[n]) buffers.at(buffer).insert({s, n});
    }
    std::set<Places> different;
    for (const auto& [buffer, places] : buffers) different.insert(places);
    CHECK(different.size() == buffers.size());
  }
  CHECK(buffers.empty());
  CHECK(static_cast<int>(most) == plan.buffers);
  return plan.buffers;
}

int follow(int mode, int phases, std::vector<uint32_t> groups = {}, uint32_t first = 0) {
  return follow(make_schedule({mode, phases, std::move(groups), 0, first}, kModel,
                              ErrorKind::invalid_argument));
}

}  // namespace

int main() {
  for (int phases : {0, 1, 2}) {
    for (int mode : {0, 1, 2, 3}) CHECK(follow(mode, phases) == 1);
    CHECK(follow(4, phases, {12}) == 1);
    CHECK(follow(4, phases, std::vector<uint32_t>(12, 1)) == (phases == 0 ? 1 : 12));
    CHECK(follow(4, phases, {3, 4, 5}) == 3);
    CHECK(follow(5, phases, {3, 4, 2, 3}, 2) == 3);
    CHECK(follow(6, phases, {3, 4, 2, 3}, 2) == (phases == 0 ? 3 : 4));
    CHECK(follow(6, phases, {3, 4, 2, 1, 2}, 1) == (phases == 0 ? 3 : 5));
  }
  CHECK(follow(2, 3) == 1);
  CHECK(follow(2, 3, {6, 6}) == 1);
}
