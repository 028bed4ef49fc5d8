// Requantization against 128-bit arithmetic, for every shift and around every place where a vector
// version could go wrong.
#include <vector>

#include "check.h"
#include "conv_reference.h"
#include "nn/requantize.h"
#include "nn/target.h"

using namespace samebits;

namespace {

std::vector<int32_t> interesting_sums(Random& random) {
  std::vector<int32_t> sums = {INT32_MIN, INT32_MIN + 1, INT32_MAX, INT32_MAX - 1, 0, 1, -1};
  for (int bit = 1; bit < 31; ++bit)
    for (int near = -1; near <= 1; ++near) {
      sums.push_back((1 << bit) + near);
      sums.push_back(-(1 << bit) + near);
    }
  for (int n = 0; n < 60; ++n) sums.push_back(static_cast<int32_t>(random.bits32()));
  return sums;
}

void check(const std::vector<int32_t>& acc, int channels, const std::vector<int32_t>& multiplier,
           const std::vector<int32_t>& shift, int leaky, int lo, int hi) {
  const int64_t rows = static_cast<int64_t>(acc.size()) / channels;
  for (const std::string& name : targets()) {
    set_target(name);
    std::vector<int16_t> out(acc.size());
    requantize(acc.data(), rows, channels, multiplier.data(), shift.data(), leaky, lo, hi,
               out.data());
    for (size_t i = 0; i < out.size(); ++i) {
      const size_t c = i % channels;
      CHECK(out[i] == reference_requantize(acc[i], multiplier[c], shift[c], leaky, lo, hi));
    }
  }
}

void every_shift() {
  Random random(1);
  const std::vector<int32_t> multipliers = {0,     1,     2,     3,     255,  256,
                                            32767, 32768, 32769, 65534, 65535};
  const std::vector<int32_t> sums = interesting_sums(random);
  const int channels = static_cast<int>(multipliers.size());
  std::vector<int32_t> acc;
  for (int32_t sum : sums) acc.insert(acc.end(), channels, sum);
  for (int shift = kMinShift; shift <= kMaxShift; ++shift)
    for (const int leaky : {-1, 0, 1, 4, 15})
      for (const auto& [lo, hi] : {std::pair{-32768, 32767}, {-32767, 32767}, {-5, 9}, {0, 0}})
        check(acc, channels, multipliers, std::vector<int32_t>(channels, shift), leaky, lo, hi);
}

void random_channels() {
  Random random(2);
  for (int n = 0; n < 500; ++n) {
    const int channels = static_cast<int>(random.between(1, 35));
    std::vector<int32_t> acc(channels * random.between(1, 9)), multiplier, shift;
    for (int32_t& a : acc) a = static_cast<int32_t>(random.bits32()) >> random.between(0, 31);
    for (int c = 0; c < channels; ++c) {
      multiplier.push_back(static_cast<int32_t>(extreme_or_random(random, 0, 65535)));
      shift.push_back(static_cast<int32_t>(random.between(1, 46)));
    }
    const int lo = static_cast<int>(random.between(-32768, 32767));
    check(acc, channels, multiplier, shift, static_cast<int>(random.between(-1, 15)), lo,
          static_cast<int>(random.between(lo, 32767)));
  }
}

}  // namespace

int main() {
  every_shift();
  random_channels();
}
