// Identity codes: solving gives what walking the tree of outcomes gives, and damage is found.
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/crc32.h"
#include "check.h"
#include "stability/identity_code.h"
#include "stability_damage.h"

using namespace samebits;

namespace {

uint32_t checksum(const std::vector<uint8_t>& parity) {
  std::vector<uint8_t> packed((parity.size() + 7) / 8, 0);
  for (size_t i = 0; i < parity.size(); ++i) packed[i / 8] |= parity[i] << (i % 8);
  return crc32(packed);
}

// The effect of every element's parity on the checksum of `size` elements.
std::vector<uint32_t> checksum_columns(int size) {
  std::vector<uint32_t> columns;
  const std::vector<uint8_t> none(size, 0);
  for (int i = 0; i < size; ++i) {
    std::vector<uint8_t> one = none;
    one[i] = 1;
    columns.push_back(checksum(one) ^ checksum(none));
  }
  return columns;
}

std::vector<uint32_t> places_of(const std::vector<uint8_t>& ambiguous) {
  std::vector<uint32_t> places;
  for (uint32_t i = 0; i < ambiguous.size(); ++i) {
    if (ambiguous[i] != 0) places.push_back(i);
  }
  return places;
}

// The document's way: the shortest prefix of the checksum that no other outcome has, or 0.
int length_by_tree(const std::vector<uint8_t>& parity, const std::vector<uint8_t>& ambiguous) {
  const std::vector<uint32_t> places = places_of(ambiguous);
  const uint32_t mine = checksum(parity);
  int length = 1;
  for (uint32_t outcome = 1; outcome < uint32_t{1} << places.size(); ++outcome) {
    std::vector<uint8_t> other = parity;
    for (size_t i = 0; i < places.size(); ++i) other[places[i]] ^= outcome >> i & 1;
    const uint32_t difference = mine ^ checksum(other);
    if (difference == 0) return 0;
    while ((difference >> (kChecksumBits - length)) == 0) ++length;
  }
  return length;
}

struct Case {
  std::vector<uint8_t> parity, ambiguous;
  Outcomes outcomes() const { return {parity, ambiguous}; }
};

Case random_case(Random& random, int size, int64_t count) {
  Case c{std::vector<uint8_t>(size), std::vector<uint8_t>(size, 0)};
  for (uint8_t& bit : c.parity) bit = static_cast<uint8_t>(random.between(0, 1));
  for (int64_t n = 0; n < count; ++n) c.ambiguous[random.between(0, size - 1)] = 1;
  return c;
}

// What another machine has: some ambiguous elements come out as their neighbours, and only some of
// the encoder's ambiguous elements are so near to the boundary there.
Case elsewhere(Random& random, const Case& here, std::vector<uint8_t>& flips) {
  Case c = here;
  flips.assign(here.parity.size(), 0);
  for (size_t i = 0; i < c.parity.size(); ++i) {
    if (c.ambiguous[i] == 0) continue;
    if (random.between(0, 3) == 0) {
      c.ambiguous[i] = 0;
    } else if (random.between(0, 1) == 0) {
      c.parity[i] ^= 1;
      flips[i] = 1;
    }
  }
  return c;
}

void solving_is_walking_the_tree() {
  Random random(1);
  for (int turn = 0; turn < 600; ++turn) {
    const int size = static_cast<int>(random.between(1, 90));
    const Case c = random_case(random, size, random.between(0, turn < 560 ? 9 : 16));
    const std::vector<uint32_t> columns = checksum_columns(size);
    std::vector<uint32_t> mine;
    for (uint32_t place : places_of(c.ambiguous)) mine.push_back(columns[place]);
    CHECK(distinguishing_bits(mine) == length_by_tree(c.parity, c.ambiguous));
  }
}

void other_machines_find_the_outcome() {
  Random random(2);
  for (int turn = 0; turn < 400; ++turn) {
    const int size = static_cast<int>(random.between(1, 5000));
    const Case here = random_case(random, size, random.between(0, size / 3));
    IdentityOptions options;
    options.lengths = static_cast<LengthCode>(turn % 3);
    const std::vector<uint8_t> code = encode_identity(here.outcomes(), options);
    std::vector<uint8_t> flips;
    const Case there = elsewhere(random, here, flips);
    CHECK(resolve_identity(there.outcomes(), code) == flips);
  }
}

void every_element_may_be_ambiguous() {
  Random random(3);
  Case here = random_case(random, 3000, 0);
  std::fill(here.ambiguous.begin(), here.ambiguous.end(), 1);
  const std::vector<uint8_t> code = encode_identity(here.outcomes(), {});
  CHECK(code.size() < 3000 * 2 / 8);
  std::vector<uint8_t> flips;
  const Case there = elsewhere(random, here, flips);
  CHECK(resolve_identity(there.outcomes(), code) == flips);
}

void given_partitions() {
  Random random(4);
  const Case here = random_case(random, 100, 20);
  for (const std::vector<uint32_t>& partition :
       {std::vector<uint32_t>{40, 0, 60}, {50, 50}, {1, 99}, {33, 33, 34}}) {
    const std::vector<uint8_t> code =
        encode_identity(here.outcomes(), {LengthCode::unary, partition});
    std::vector<uint8_t> flips;
    const Case there = elsewhere(random, here, flips);
    CHECK(resolve_identity(there.outcomes(), code) == flips);
  }
  CHECK_FAILS(invalid_argument, "100", encode_identity(here.outcomes(), {LengthCode::fixed, {99}}));
  Case many = here;
  std::fill(many.ambiguous.begin(), many.ambiguous.end(), 1);
  CHECK_FAILS(invalid_argument, "smaller",
              encode_identity(many.outcomes(), {LengthCode::fixed, {50, 50}}));
}

void lower_precision_is_an_error() {
  Random random(5);
  const Case here = random_case(random, 400, 12);
  const std::vector<uint8_t> code = encode_identity(here.outcomes(), {});
  Case there = here;
  std::fill(there.ambiguous.begin(), there.ambiguous.end(), 1);
  CHECK_FAILS(corrupt_stream, "precision", resolve_identity(there.outcomes(), code));
  CHECK_FAILS(invalid_argument, "one size",
              resolve_identity({there.parity, std::span(there.ambiguous).first(9)}, code));
}

void damaged_codes_are_errors_or_outcomes() {
  Random random(6);
  const Case here = random_case(random, 300, 40);
  const std::vector<uint8_t> code = encode_identity(here.outcomes(), {});
  check_damaged_codes(random, code, here.parity.size(), 3000,
                      [&](const auto& bytes) { return resolve_identity(here.outcomes(), bytes); });
}

void nothing_at_all() {
  const std::vector<uint8_t> code = encode_identity({}, {});
  CHECK(resolve_identity({}, code).empty());
}

}  // namespace

int main() {
  solving_is_walking_the_tree();
  other_machines_find_the_outcome();
  every_element_may_be_ambiguous();
  given_partitions();
  lower_precision_is_an_error();
  damaged_codes_are_errors_or_outcomes();
  nothing_at_all();
  return 0;
}
