#include "codec/proxy.h"

#include "base/threads.h"
#include "codec/latent_runs.h"

namespace samebits {

std::vector<int16_t> Proxy::update(const Model& model, int quality, const Rect& rect,
                                   const int16_t* mean, const int32_t* symbols) {
  const MaskedPositions at(values_.height, values_.width, rect.phase_mask);
  const int channels = rect.channels();
  const int32_t* inverse_gain = model.inverse_gain.row(quality) + rect.channel_begin;
  std::vector<int16_t> changes(at.count() * channels);
  parallel_for(values_.height, [&](int64_t begin, int64_t end) {
    for (int row = static_cast<int>(begin); row < end; ++row) {
      int64_t first = at.before(row) * channels;
      for (int n = 0; n < at.in_row(row); ++n, first += channels) {
        update_proxies(mean + first, symbols + first, inverse_gain, model.proxy_shift, channels,
                       values_.at(row, at.column(row, n)) + rect.channel_begin,
                       changes.data() + first);
      }
    }
  });
  return changes;
}

}  // namespace samebits
