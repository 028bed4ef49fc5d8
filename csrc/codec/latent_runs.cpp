#include "codec/latent_runs.h"

#include <algorithm>
#include <cstdlib>

#include "codec/context_sums.h"
#include "codec/latent_values.h"

namespace samebits {
namespace {

constexpr int32_t kFarGain = 1 << 24;  // beyond this, log2_gain alone decides the row

int32_t clamp16_narrow(int32_t v) {
  return std::clamp<int32_t>(v, -INT16_MAX, INT16_MAX);
}

// True if no product of a symbol and a gain leaves 31 bits, with room for what is added.
bool products_are_narrow(const int32_t* symbols, const int32_t* inverse_gain, int channels) {
  uint32_t largest_symbol = 0, largest_gain = 0;
  for (int c = 0; c < channels; ++c) {
    largest_symbol |= static_cast<uint32_t>(symbols[c] < 0 ? ~symbols[c] : symbols[c]);
    largest_gain |= static_cast<uint32_t>(inverse_gain[c]);
  }
  return (uint64_t{largest_symbol} + 1) * largest_gain < (uint64_t{1} << 30);
}

void dequantize_narrow(const int16_t* __restrict mean, const int32_t* __restrict symbols,
                       const int32_t* __restrict inverse_gain, int channels,
                       int16_t* __restrict y_hat) {
  constexpr int32_t kHalf = 1 << (kInverseGainBits - 1);
  for (int c = 0; c < channels; ++c) {
    const int32_t difference = (symbols[c] * inverse_gain[c] + kHalf) >> kInverseGainBits;
    y_hat[c] = static_cast<int16_t>(clamp16_narrow(mean[c] + difference));
  }
}

// proxy_q(y_hat) - proxy_q(proxy), then proxy = y_hat.
void replace(const int16_t* __restrict y_hat, int proxy_shift, int channels,
             int16_t* __restrict proxy, int16_t* __restrict changes) {
  const int32_t half = proxy_shift == 0 ? 0 : 1 << (proxy_shift - 1);
  for (int c = 0; c < channels; ++c) {
    const int32_t is = std::clamp((y_hat[c] + half) >> proxy_shift, -kMaxProxy, kMaxProxy);
    const int32_t was = std::clamp((proxy[c] + half) >> proxy_shift, -kMaxProxy, kMaxProxy);
    changes[c] = static_cast<int16_t>(is - was);
    proxy[c] = y_hat[c];
  }
}

}  // namespace

void means_and_rows(const int16_t* __restrict prediction, const int16_t* __restrict delta,
                    const int16_t* __restrict log_scale, const int32_t* __restrict log2_gain,
                    int scale_rows, int channels, int16_t* __restrict mean,
                    uint8_t* __restrict row) {
  for (int c = 0; c < channels; ++c)
    mean[c] = static_cast<int16_t>(clamp16_narrow(prediction[c] + delta[c]));
  for (int c = 0; c < channels; ++c) {
    const int32_t gain = std::clamp(log2_gain[c], -kFarGain, kFarGain);
    const int32_t place = (log_scale[c] + gain + (1 << (kRowBits - 1))) >> kRowBits;
    row[c] = static_cast<uint8_t>(std::clamp(place, 0, scale_rows - 1));
  }
}

void update_proxies(const int16_t* mean, const int32_t* symbols, const int32_t* inverse_gain,
                    int proxy_shift, int channels, int16_t* proxy, int16_t* changes) {
  constexpr int kRun = 64;
  int16_t y_hat[kRun];
  for (int begin = 0; begin < channels; begin += kRun) {
    const int count = std::min(kRun, channels - begin);
    const int32_t* const k = symbols + begin;
    const int32_t* const gain = inverse_gain + begin;
    if (products_are_narrow(k, gain, count)) {
      dequantize_narrow(mean + begin, k, gain, count, y_hat);
    } else {
      for (int c = 0; c < count; ++c) y_hat[c] = dequantize(mean[begin + c], k[c], gain[c]);
    }
    replace(y_hat, proxy_shift, count, proxy + begin, changes + begin);
  }
}

}  // namespace samebits
