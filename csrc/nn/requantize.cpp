#include "nn/requantize.h"

#include <algorithm>

#include "nn/conv_kernels.h"
#include "nn/pack_weights.h"
#include "nn/target_kernels.h"

namespace samebits {
namespace {

// [pixels][stride] in natural order to [pixels][16] in group order.
void to_group_order(const int32_t* acc, int64_t stride, int pixels, int channels, int32_t* group) {
  for (int p = 0; p < pixels; ++p, acc += stride, group += kOutputGroup)
    for (int c = 0; c < channels; c += 4)
      std::copy_n(acc + c, std::min(4, channels - c), group + kQuarterOrder[c / 4]);
}

}  // namespace

void requantize(const int32_t* acc, int64_t rows, int channels, const int32_t* multiplier,
                const int32_t* shift, int leaky, int lo, int hi, int16_t* out) {
  const ConvKernels* kernels = target_kernels();
  if (kernels == nullptr) {
    for (int64_t row = 0; row < rows; ++row)
      requantize_scalar(acc + row * channels, channels, multiplier, shift, {leaky, lo, hi},
                        out + row * channels);
    return;
  }
  int32_t group[kBlockPixels * kOutputGroup] = {};
  for (int first = 0; first < channels; first += kOutputGroup) {
    const int width = std::min(kOutputGroup, channels - first);
    const GroupScale scale = pack_scale(multiplier + first, shift + first, width);
    for (int64_t row = 0; row < rows; row += kBlockPixels) {
      const int pixels = static_cast<int>(std::min<int64_t>(kBlockPixels, rows - row));
      to_group_order(acc + row * channels + first, channels, pixels, width, group);
      kernels->requantize({group,
                           pixels,
                           width,
                           &scale,
                           {leaky, lo, hi},
                           nullptr,
                           0,
                           0,
                           out + row * channels + first,
                           channels});
    }
  }
}

}  // namespace samebits
