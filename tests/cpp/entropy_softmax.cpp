// Softmax rows: against a second writing from arithmetic.md 9, on every target, at the ends of
// all ranges.
#include <algorithm>
#include <vector>

#include "base/cpu.h"
#include "check.h"
#include "entropy/softmax_rows.h"

using namespace samebits;

namespace {

// arithmetic.md 9 in 64 bits, with the exponential as one list.
std::vector<uint16_t> reference_row(const std::vector<int>& logits) {
  static constexpr int kStart[16] = {65531, 62749, 60089, 57546, 55102, 52767, 50530, 48386,
                                     46337, 44375, 42493, 40689, 38962, 37312, 35732, 34218};
  static constexpr int kSlope[16] = {174, 166, 159, 153, 146, 140, 134, 128,
                                     123, 118, 113, 108, 103, 99,  95,  91};
  const int64_t n = static_cast<int64_t>(logits.size());
  const int top = *std::max_element(logits.begin(), logits.end());
  std::vector<int64_t> e;
  int64_t sum = 0;
  for (int logit : logits) {
    const int d = top - logit, f = d % 256;
    e.push_back(d / 256 > 15 ? 0 : (kStart[f / 16] - kSlope[f / 16] * (f % 16)) >> (d / 256 + 1));
    sum += e.back();
  }
  const int64_t share = ((65536 - n) << 16) / sum;
  std::vector<uint16_t> starts;
  int64_t before = 0;
  for (int64_t v = 0; v < n; ++v) {
    CHECK(before * share < int64_t{1} << 32);
    const int64_t start = v + (before * share >> 16);
    CHECK(start < 65536 && (starts.empty() ? start == 0 : start > starts.back()));
    starts.push_back(static_cast<uint16_t>(start));
    before += e[v];
  }
  return starts;
}

int16_t logit(Random& random, int kind) {
  if (kind == 0) return static_cast<int16_t>(random.between(-kMaxLogit, kMaxLogit - 1));
  if (kind == 1) return static_cast<int16_t>(random.between(-3000, 0));
  if (kind == 2) return random.one_in(2) ? -kMaxLogit : kMaxLogit - 1;
  return 0;
}

void check_softmax(const std::vector<int16_t>& logits, int entries) {
  const size_t n = static_cast<size_t>(entries), count = logits.size() / n;
  std::vector<uint16_t> starts(logits.size());
  softmax_rows(logits.data(), entries, static_cast<int64_t>(count), starts.data());
  for (size_t i = 0; i < count; ++i) {
    const auto expected = reference_row({logits.begin() + i * n, logits.begin() + (i + 1) * n});
    CHECK(std::equal(expected.begin(), expected.end(), starts.begin() + i * n));
  }
}

// Four rows, 4 to 7, and elements of rows 3 to 8.
struct Case {
  int entries, coefficients, shift;
  std::vector<int16_t> base, shapes, values;
  std::vector<uint8_t> rows;
};

Case make_case(Random& random, int entries, int coefficients, int kind) {
  Case made{entries, coefficients, static_cast<int>(random.between(0, 24)), {}, {}, {}, {}};
  for (int i = 0; i < 4 * entries; ++i) made.base.push_back(logit(random, kind));
  // All products and the half stay below 2^31.
  const int most = kind == 2 ? 32767 / coefficients : 3000;
  for (int i = 0; i < entries * coefficients; ++i)
    made.shapes.push_back(static_cast<int16_t>(random.between(-most, most)));
  const int64_t count = random.between(0, 40);
  for (int64_t i = 0; i < count; ++i) {
    made.rows.push_back(static_cast<uint8_t>(random.between(3, 8)));
    for (int j = 0; j < coefficients; ++j)
      made.values.push_back(static_cast<int16_t>(random.between(-32767, 32767)));
  }
  return made;
}

std::vector<int> reference_logits(const Case& made, size_t element) {
  std::vector<int> logits;
  const int n = made.entries;
  for (int v = 0; v < n; ++v) {
    int64_t sum = 0;
    for (int j = 0; j < made.coefficients; ++j)
      sum += int64_t{made.shapes[((j / 2) * n + v) * 2 + j % 2]} *
             made.values[element * made.coefficients + j];
    if (made.shift > 0) sum = (sum + (int64_t{1} << (made.shift - 1))) >> made.shift;
    sum = std::clamp<int64_t>(sum, -kMaxLogit, kMaxLogit - 1);
    logits.push_back(static_cast<int>(made.base[(made.rows[element] - 4) * n + v] + sum));
  }
  return logits;
}

void check_case(const Case& made) {
  constexpr uint16_t kUntouched = 0xABCD;
  const size_t n = static_cast<size_t>(made.entries);
  std::vector<uint16_t> starts(made.rows.size() * n, kUntouched);
  shaped_rows(
      {4, 8, made.entries, made.coefficients, made.shift, made.base.data(), made.shapes.data()},
      made.rows.data(), made.values.data(), static_cast<int64_t>(made.rows.size()), starts.data());
  for (size_t i = 0; i < made.rows.size(); ++i) {
    std::vector<uint16_t> expected(n, kUntouched);
    if (made.rows[i] >= 4 && made.rows[i] < 8) expected = reference_row(reference_logits(made, i));
    CHECK(std::equal(expected.begin(), expected.end(), starts.begin() + i * n));
  }
}

// Every distance that the exponential knows, and some beyond.
void all_distances() {
  for (int d = 0; d < 5000; ++d) {
    std::vector<int16_t> logits(16);
    logits[d % 16] = static_cast<int16_t>(-d);
    check_softmax(logits, 16);
  }
}

}  // namespace

int main() {
  for (const char* target : {"scalar", "avx2"}) {
    choose_vector_set(target);
    Random random(11);
    all_distances();
    for (int entries : {2, 3, 16, 17, 32, 64}) {
      for (int kind = 0; kind < 4; ++kind) {
        std::vector<int16_t> logits;
        for (int i = 0; i < 50 * entries; ++i)
          logits.push_back(static_cast<int16_t>(2 * logit(random, kind)));
        check_softmax(logits, entries);
        for (int round = 0; round < 20; ++round) {
          for (int coefficients : {2, 4, 10})
            check_case(make_case(random, entries, coefficients, kind));
        }
      }
    }
  }
}
