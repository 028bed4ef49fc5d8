// Runs of latents against the formulas of arithmetic.md 3, at the limits of every argument.
#include <algorithm>
#include <random>
#include <vector>

#include "check.h"
#include "codec/context_sums.h"
#include "codec/latent_runs.h"
#include "codec/latent_values.h"

using namespace samebits;

namespace {

class Draw {
 public:
  // Often a limit, else anything between.
  int32_t between(int64_t lo, int64_t hi) {
    const uint64_t r = random_();
    if (r % 4 == 0) return static_cast<int32_t>(r & 16 ? lo : hi);
    if (r % 4 == 1) return static_cast<int32_t>(std::clamp<int64_t>(r % 7 - 3, lo, hi));
    return std::uniform_int_distribution<int32_t>(static_cast<int32_t>(lo),
                                                  static_cast<int32_t>(hi))(random_);
  }
  template <class T>
  std::vector<T> run(int count, int64_t lo, int64_t hi) {
    std::vector<T> values(count);
    for (T& v : values) v = static_cast<T>(between(lo, hi));
    return values;
  }

 private:
  std::mt19937_64 random_{5};
};

void rows_and_means(Draw& draw) {
  const int n = draw.between(1, 200), scale_rows = draw.between(1, 256);
  const auto prediction = draw.run<int16_t>(n, -32768, 32767);
  const auto delta = draw.run<int16_t>(n, -32768, 32767);
  const auto log_scale = draw.run<int16_t>(n, -32768, 32767);
  const auto gain = draw.run<int32_t>(n, INT32_MIN, INT32_MAX);
  std::vector<int16_t> mean(n);
  std::vector<uint8_t> row(n);
  means_and_rows(prediction.data(), delta.data(), log_scale.data(), gain.data(), scale_rows, n,
                 mean.data(), row.data());
  for (int c = 0; c < n; ++c) {
    CHECK(mean[c] == clamp16(int64_t{prediction[c]} + delta[c]));
    CHECK(row[c] == scale_row(log_scale[c], gain[c], scale_rows));
  }
}

void proxies(Draw& draw) {
  const int n = draw.between(1, 200), shift = draw.between(0, 15);
  const int64_t most_symbol = int64_t{1} << draw.between(0, 20);
  const int64_t most_gain = (int64_t{1} << draw.between(0, 31)) - 1;
  const auto mean = draw.run<int16_t>(n, -32767, 32767);
  const auto symbols = draw.run<int32_t>(n, -most_symbol, most_symbol);
  const auto gain = draw.run<int32_t>(n, 0, most_gain);
  const auto before = draw.run<int16_t>(n, -32768, 32767);
  std::vector<int16_t> proxy = before, changes(n);
  update_proxies(mean.data(), symbols.data(), gain.data(), shift, n, proxy.data(), changes.data());
  for (int c = 0; c < n; ++c) {
    const int16_t y_hat = dequantize(mean[c], symbols[c], gain[c]);
    CHECK(proxy[c] == y_hat);
    CHECK(changes[c] == proxy_q(y_hat, shift) - proxy_q(before[c], shift));
  }
}

}  // namespace

int main() {
  Draw draw;
  for (int n = 0; n < 20000; ++n) {
    rows_and_means(draw);
    proxies(draw);
  }
}
