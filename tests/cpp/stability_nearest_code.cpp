// Codes of the nearest outcome: machines that differ by less than promised find it, others and
// damage end in an error or an outcome, in bounded time. What the shortest code is, is defined in
// Python (samebits.stability.outcome_tree) and compared there.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "check.h"
#include "stability/nearest_code.h"
#include "stability_damage.h"

using namespace samebits;

namespace {

struct Case {
  std::vector<uint8_t> parity;
  std::vector<uint16_t> weight;
  NearOutcomes outcomes() const { return {parity, weight}; }
};

Case random_case(Random& random, int size, int most_weight) {
  Case c{std::vector<uint8_t>(size), std::vector<uint16_t>(size)};
  for (uint8_t& bit : c.parity) bit = static_cast<uint8_t>(random.between(0, 1));
  for (uint16_t& w : c.weight) w = static_cast<uint16_t>(random.between(0, most_weight));
  return c;
}

// What another machine has; in parts of `part` elements differences add up to less than a
// precision.
Case elsewhere(Random& random, const Case& here, size_t part, std::vector<uint8_t>& flips) {
  Case c = here;
  flips.assign(here.parity.size(), 0);
  int64_t room = 0;
  for (size_t i = 0; i < c.parity.size(); ++i) {
    if (i % part == 0) room = kPrecisionWeight - 1;
    const int64_t difference = random.between(0, std::min<int64_t>(room, kPrecisionWeight / 4));
    room -= difference;
    const int64_t moved = c.weight[i] + (random.between(0, 1) != 0 ? difference : -difference);
    c.weight[i] = static_cast<uint16_t>(std::min<int64_t>(std::abs(moved), UINT16_MAX));
    flips[i] = moved < 0;
    c.parity[i] ^= flips[i];
  }
  return c;
}

void other_machines_find_the_outcome() {
  Random random(1);
  for (int turn = 0; turn < 300; ++turn) {
    const int size = static_cast<int>(random.between(1, 300));
    const int most = static_cast<int>(random.between(kPrecisionWeight, 60000));
    const Case here = random_case(random, size, turn % 10 == 0 ? 300 : most);
    std::vector<uint8_t> flips;
    const Case there = elsewhere(random, here, here.parity.size(), flips);
    const std::vector<uint8_t> code = encode_nearest(here.outcomes(), {});
    CHECK(is_nearest_code(code));
    CHECK(resolve_nearest(there.outcomes(), code) == flips);
    const std::vector<uint8_t> unchecked = encode_nearest(here.outcomes(), {{}, false});
    CHECK(unchecked.size() == code.size() - 2);
    CHECK(resolve_nearest(there.outcomes(), unchecked) == flips);
  }
}

void parts_of_their_own() {
  Random random(2);
  const Case here = random_case(random, 4000, 8000);
  std::vector<uint8_t> flips;
  const Case there = elsewhere(random, here, 100, flips);
  CHECK(std::ranges::count(flips, 1) > 5);
  const std::vector<uint32_t> even(40, 100);
  const std::vector<uint8_t> code = encode_nearest(here.outcomes(), {even});
  CHECK(resolve_nearest(there.outcomes(), code) == flips);
  std::vector<uint32_t> sent = even;
  sent[3] = 0;
  sent[4] = 200;
  CHECK(resolve_nearest(here.outcomes(), encode_nearest(here.outcomes(), {sent})) ==
        std::vector<uint8_t>(4000, 0));
  CHECK_FAILS(invalid_argument, "4000", encode_nearest(here.outcomes(), {{1, 2}}));
  const Case many = random_case(random, 4000, 0);
  CHECK_FAILS(invalid_argument, "smaller", encode_nearest(many.outcomes(), {even}));
  CHECK(resolve_nearest(many.outcomes(), encode_nearest(many.outcomes(), {})) ==
        std::vector<uint8_t>(4000, 0));
}

void other_precisions_are_errors() {
  Random random(3);
  const Case here = random_case(random, 3000, 40000);
  const std::vector<uint8_t> code = encode_nearest(here.outcomes(), {});
  for (int most : {0, 1, 1000, 10000}) {
    Case there = random_case(random, 3000, most);
    CHECK_FAILS(corrupt_stream, "precision", resolve_nearest(there.outcomes(), code));
  }
  CHECK_FAILS(invalid_argument, "one size",
              resolve_nearest({here.parity, std::span(here.weight).first(9)}, code));
}

void damaged_codes_are_errors_or_outcomes() {
  Random random(4);
  const Case here = random_case(random, 600, 30000);
  const std::vector<uint8_t> code = encode_nearest(here.outcomes(), {});
  check_damaged_codes(random, code, here.parity.size(), 2000,
                      [&](const auto& bytes) { return resolve_nearest(here.outcomes(), bytes); });
}

void nothing_at_all() {
  CHECK(resolve_nearest({}, encode_nearest({}, {})).empty());
  CHECK(!is_nearest_code({}));
}

}  // namespace

int main() {
  other_machines_find_the_outcome();
  parts_of_their_own();
  other_precisions_are_errors();
  damaged_codes_are_errors_or_outcomes();
  nothing_at_all();
  return 0;
}
