#include "nn/conv_uint8.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/threads.h"
#include "nn/conv_blocks.h"
#include "nn/target.h"
#include "nn/target_kernels.h"

namespace samebits {
namespace {

// Rows widened at a time: enough for several threads, little enough to stay in the cache.
constexpr int64_t kWidenedElements = int64_t{1} << 20;
constexpr int kFewestRows = 8;

AlignedVector<int8_t> pack_int8(const ConvLayer& layer) {
  const int taps = layer.kernel * layer.kernel, quads = (layer.in_channels + 3) / 4;
  AlignedVector<int8_t> packed(size_t{64} * group_count(layer.out_channels) * taps * quads);
  const int16_t* w = layer.weight.data();
  for (int o = 0; o < layer.out_channels; ++o)
    for (int t = 0; t < taps; ++t)
      for (int i = 0; i < layer.in_channels; ++i)
        packed[((int64_t{o / 16} * taps + t) * quads + i / 4) * 64 + place_in_group(o % 16) * 4 +
               i % 4] = static_cast<int8_t>(*w++);
  return packed;
}

// An input pointer for each tap and pixel of a stretch of an output row.
void gather(const ConvLayer& layer, const uint8_t* x, int height, int width, int row, int column,
            int pixels, const uint8_t** inputs) {
  const int pad = (layer.kernel - 1) / 2;
  for (int ky = 0; ky < layer.kernel; ++ky)
    for (int kx = 0; kx < layer.kernel; ++kx)
      for (int p = 0; p < pixels; ++p) {
        const int64_t y = int64_t{row} * layer.stride + ky - pad;
        const int64_t c = int64_t{column + p} * layer.stride + kx - pad;
        const bool inside = y >= 0 && y < height && c >= 0 && c < width;
        *inputs++ = inside ? x + (y * width + c) * layer.in_channels
                           : reinterpret_cast<const uint8_t*>(zero_pixel());
      }
}

// Calls run(int16 window, begin, end) for strips of output rows.
template <class Run>
void for_widened_strips(const ConvLayer& layer, const uint8_t* x, int height, int width,
                        const Run& run) {
  const int out_height = conv_output_size(height, layer.stride);
  const int64_t row = int64_t{width} * layer.in_channels;
  const int strip = static_cast<int>(
      std::max<int64_t>(kFewestRows, kWidenedElements / (row * layer.stride) / 4 * 4));
  const int pad = (layer.kernel - 1) / 2;
  std::vector<int16_t> rows;
  for (int begin = 0; begin < out_height; begin += strip) {
    const int end = std::min(out_height, begin + strip);
    const int first = std::max(0, begin * layer.stride - pad);
    const int last = std::min(height, (end - 1) * layer.stride + pad + 1);
    rows.assign(x + first * row, x + last * row);
    run(RowWindow{rows.data(), first, last - first, height, width}, begin, end);
  }
}

}  // namespace

bool uint8_pairs_are_safe(const ConvLayer& layer) {
  const int64_t filters = int64_t{layer.out_channels} * layer.kernel * layer.kernel;
  const int16_t* w = layer.weight.data();
  for (int64_t f = 0; f < filters; ++f, w += layer.in_channels)
    for (int i = 0; i + 1 < layer.in_channels; i += 2)
      if (layer.in_hi * (std::max<int>(w[i], 0) + std::max<int>(w[i + 1], 0)) > INT16_MAX ||
          layer.in_hi * (std::min<int>(w[i], 0) + std::min<int>(w[i + 1], 0)) < INT16_MIN)
        return false;
  return true;
}

Uint8Conv::Uint8Conv(ConvLayer layer) : layer_(std::move(layer)) {
  if (layer_.in_lo < 0 || layer_.in_hi > 255)
    fail(ErrorKind::invalid_argument, "convolution: inputs " + std::to_string(layer_.in_lo) + ".." +
                                          std::to_string(layer_.in_hi) + " are not within uint8");
  layer_.prepare();
  weights_are_int8_ =
      !layer_.depthwise && std::all_of(layer_.weight.begin(), layer_.weight.end(),
                                       [](int16_t w) { return w >= -128 && w <= 127; });
  if (!weights_are_int8_) return;
  pairs_are_safe_ = uint8_pairs_are_safe(layer_);
  weight_ = pack_int8(layer_);
}

const Uint8Kernel* Uint8Conv::kernel() const {
  if (!weights_are_int8_ || layer_.winograd.tile != WinogradTile{}) return nullptr;
#ifdef SAMEBITS_HAVE_AVX2
  if (target() == Target::avx2) return pairs_are_safe_ ? &kUint8Avx2 : nullptr;
#endif
#ifdef SAMEBITS_HAVE_AVX512
  if (target() == Target::avx512) return &kUint8Avx512;
#endif
  return nullptr;
}

void Uint8Conv::run_on(const Uint8Kernel& kernel, const ConvKernels* finish, const uint8_t* x,
                       int height, int width, const BlockOutput& out) const {
  if (layer_.kernel == 1 && layer_.stride == 1 && int64_t{height} * width <= INT32_MAX) {
    width *= height;  // position does not matter: one long row
    height = 1;
  }
  const int out_width = conv_output_size(width, layer_.stride);
  const int out_height = conv_output_size(height, layer_.stride);
  const int row_blocks = (out_width + kBlockPixels - 1) / kBlockPixels;
  const int taps = layer_.kernel * layer_.kernel, groups = group_count(layer_.out_channels);
  const int64_t group_weights = static_cast<int64_t>(weight_.size()) / groups;
  parallel_for(int64_t{out_height} * row_blocks, [&](int64_t begin, int64_t end) {
    alignas(64) int32_t acc[kMaxTileGroups * kBlockPixels * kOutputGroup];
    const uint8_t* inputs[kMaxTaps * kBlockPixels];
    for (int64_t n = begin; n < end; ++n) {
      const int row = static_cast<int>(n / row_blocks);
      const int column = static_cast<int>(n % row_blocks) * kBlockPixels;
      const int pixels = std::min(kBlockPixels, out_width - column);
      gather(layer_, x, height, width, row, column, pixels, inputs);
      for (int g = 0; g < groups; g += kernel.groups) {
        const int count = std::min(kernel.groups, groups - g);
        kernel.run({inputs, taps, pixels, layer_.in_channels, weight_.data() + g * group_weights,
                    layer_.packed.bias.data() + g * kOutputGroup, count, acc});
        for (int i = 0; i < count; ++i)
          finish_group(finish, layer_, g + i, acc + i * pixels * kOutputGroup,
                       int64_t{row} * out_width + column, pixels, out);
      }
    }
  });
}

void Uint8Conv::accumulate(const uint8_t* x, int height, int width, int32_t* out) const {
  if (const Uint8Kernel* with = kernel())
    return run_on(*with, nullptr, x, height, width, {out, nullptr, nullptr, 0, 0});
  const std::vector<int16_t> widened(x, x + int64_t{height} * width * layer_.in_channels);
  conv2d_accumulate(layer_, widened.data(), height, width, out);
}

void Uint8Conv::run(const uint8_t* x, int height, int width, int16_t* out) const {
  if (layer_.multiplier.empty())
    fail(ErrorKind::invalid_argument, "convolution: the layer has no multiplier and shift");
  if (const Uint8Kernel* with = kernel())
    return run_on(*with, target_kernels(), x, height, width, {nullptr, out, nullptr, 0, 0});
  const int64_t out_row = int64_t{conv_output_size(width, layer_.stride)} * layer_.out_channels;
  for_widened_strips(layer_, x, height, width, [&](const RowWindow& window, int begin, int end) {
    conv2d_rows(layer_, window, begin, end, out + begin * out_row);
  });
}

}  // namespace samebits
