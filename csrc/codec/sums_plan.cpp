#include "codec/sums_plan.h"

#include <algorithm>
#include <map>

namespace samebits {
namespace {

constexpr int kNone = -1;

// A view on its way through the schedule.
struct Reader {
  View view;
  int last_step = 0;  // that reads it
  int buffer = 0;
};

class Planner {
 public:
  explicit Planner(const Schedule& schedule) : schedule_(schedule) {
    for (const View& view : distinct_views(schedule)) readers_.push_back({view});
    for (size_t s = 0; s < schedule.size(); ++s) {
      for (const Rect& rect : schedule[s]) reader(rect.view).last_step = static_cast<int>(s);
    }
  }

  SumsPlan plan() {
    SumsPlan plan;
    for (size_t s = 0; s < schedule_.size(); ++s) {
      SumsPlan::AtStep& at = plan.steps.emplace_back();
      for (const Rect& rect : schedule_[s]) at.read.push_back(reader(rect.view).buffer);
      std::erase_if(readers_, [&](const Reader& r) { return r.last_step == static_cast<int>(s); });
      drop_unread(at);
      add(schedule_[s], at);
    }
    plan.buffers = static_cast<int>(in_use_.size());
    return plan;
  }

 private:
  Reader& reader(const View& view) {
    return *std::find_if(readers_.begin(), readers_.end(),
                         [&](const Reader& r) { return r.view == view; });
  }

  void drop_unread(SumsPlan::AtStep& at) {
    for (int b = 0; b < static_cast<int>(in_use_.size()); ++b) {
      if (!in_use_[b] || std::any_of(readers_.begin(), readers_.end(),
                                     [&](const Reader& r) { return r.buffer == b; })) {
        continue;
      }
      in_use_[b] = false;
      at.drops.push_back(b);
    }
  }

  int take_buffer() {
    const auto free = std::find(in_use_.begin(), in_use_.end(), false);
    const int buffer = static_cast<int>(free - in_use_.begin());
    if (free == in_use_.end()) in_use_.push_back(true);
    in_use_[buffer] = true;
    return buffer;
  }

  // Readers of one buffer that see the same rectangles of the step stay together. The first of
  // these sets keeps the buffer, the others get copies.
  void add(const Step& step, SumsPlan::AtStep& at) {
    std::map<int, std::map<std::vector<int>, int>>
        sets;  // buffer, what is seen, buffer from now on
    at.adds_to.resize(step.size());
    for (Reader& r : readers_) {
      std::vector<int> seen;
      for (size_t n = 0; n < step.size(); ++n) {
        if (sees(r.view, step[n])) seen.push_back(static_cast<int>(n));
      }
      std::map<std::vector<int>, int>& same_buffer = sets[r.buffer];
      const bool keeps = same_buffer.empty();
      const auto [set, is_new] = same_buffer.try_emplace(seen, kNone);
      if (is_new) {
        set->second = keeps ? r.buffer : take_buffer();
        if (!keeps) at.copies.push_back({r.buffer, set->second});
        for (int n : seen) at.adds_to[n].push_back(set->second);
      }
      r.buffer = set->second;
    }
  }

  const Schedule& schedule_;
  std::vector<Reader> readers_;
  std::vector<bool> in_use_{true};
};

}  // namespace

SumsPlan plan_sums(const Schedule& schedule) {
  return Planner(schedule).plan();
}

}  // namespace samebits
