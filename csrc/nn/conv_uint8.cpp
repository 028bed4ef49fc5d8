#include "nn/conv_uint8.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/threads.h"
#include "nn/conv_kernels.h"
#include "nn/requantize.h"
#include "nn/target.h"

namespace samebits {
namespace {

// Rows widened at a time: enough for several threads, little enough to stay in the cache.
constexpr int64_t kWidenedElements = int64_t{1} << 20;
constexpr int kFewestRows = 8;

AlignedVector<int8_t> pack_int8(const ConvLayer& layer) {
  const int taps = layer.kernel * layer.kernel, quads = (layer.in_channels + 3) / 4;
  AlignedVector<int8_t> packed(size_t{4} * round_up_to_group(layer.out_channels) * taps * quads);
  const int16_t* w = layer.weight.data();
  for (int o = 0; o < layer.out_channels; ++o)
    for (int t = 0; t < taps; ++t)
      for (int i = 0; i < layer.in_channels; ++i)
        packed[(((int64_t{o / 16} * taps + t) * quads + i / 4) * 16 + o % 16) * 4 + i % 4] =
            static_cast<int8_t>(*w++);
  return packed;
}

// An input pointer for each tap and pixel of a stretch of an output row.
void gather(const ConvLayer& layer, const uint8_t* x, int height, int width, const uint8_t* zeros,
            int row, int column, int pixels, const uint8_t** inputs) {
  const int pad = (layer.kernel - 1) / 2;
  for (int ky = 0; ky < layer.kernel; ++ky)
    for (int kx = 0; kx < layer.kernel; ++kx)
      for (int p = 0; p < pixels; ++p) {
        const int64_t y = int64_t{row} * layer.stride + ky - pad;
        const int64_t c = int64_t{column + p} * layer.stride + kx - pad;
        const bool inside = y >= 0 && y < height && c >= 0 && c < width;
        *inputs++ = inside ? x + (y * width + c) * layer.in_channels : zeros;
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
  bias_.assign(layer_.bias.begin(), layer_.bias.end());
  bias_.resize(round_up_to_group(layer_.out_channels));
}

// The kernel for this layer on the target in use; null if widening to int16 is better.
Uint8Kernel Uint8Conv::kernel() const {
  if (!weights_are_int8_ || layer_.winograd.tile != 0) return nullptr;
#ifdef SAMEBITS_HAVE_AVX2
  if (target() == Target::avx2) return pairs_are_safe_ ? uint8_block_avx2 : nullptr;
#endif
  return target() == Target::scalar ? uint8_block_scalar : nullptr;
}

// Calls finish(acc [pixels][O], pixels, first element of out).
template <class Out, class Finish>
void Uint8Conv::run_blocks(Uint8Kernel kernel, const uint8_t* x, int height, int width, Out* out,
                           const Finish& finish) const {
  if (layer_.kernel == 1 && layer_.stride == 1 && int64_t{height} * width <= INT32_MAX) {
    width *= height;  // position does not matter: one long row
    height = 1;
  }
  const int out_width = conv_output_size(width, layer_.stride);
  const int out_height = conv_output_size(height, layer_.stride);
  const int row_blocks = (out_width + kBlockPixels - 1) / kBlockPixels;
  const int taps = layer_.kernel * layer_.kernel, channels = layer_.out_channels;
  const int stride = round_up_to_group(channels);
  parallel_for(int64_t{out_height} * row_blocks, [&](int64_t first, int64_t last) {
    AlignedVector<int32_t> acc(size_t{kBlockPixels} * stride);
    const AlignedVector<uint8_t> zeros(layer_.in_channels);
    const uint8_t* inputs[kMaxTaps * kBlockPixels];
    for (int64_t n = first; n < last; ++n) {
      const int row = static_cast<int>(n / row_blocks);
      const int column = static_cast<int>(n % row_blocks) * kBlockPixels;
      const int pixels = std::min(kBlockPixels, out_width - column);
      gather(layer_, x, height, width, zeros.data(), row, column, pixels, inputs);
      kernel({inputs, taps, pixels, layer_.in_channels, stride / kOutputGroup, weight_.data(),
              bias_.data(), acc.data()});
      if (stride != channels)
        for (int p = 1; p < pixels; ++p)
          std::copy_n(acc.data() + p * stride, channels, acc.data() + p * channels);
      finish(acc.data(), pixels, out + (int64_t{row} * out_width + column) * channels);
    }
  });
}

void Uint8Conv::accumulate_on(Uint8Kernel kernel, const uint8_t* x, int height, int width,
                              int32_t* out) const {
  run_blocks(kernel, x, height, width, out, [&](const int32_t* acc, int pixels, int32_t* to) {
    std::copy_n(acc, int64_t{pixels} * layer_.out_channels, to);
  });
}

void Uint8Conv::accumulate(const uint8_t* x, int height, int width, int32_t* out) const {
  if (const Uint8Kernel with = kernel()) return accumulate_on(with, x, height, width, out);
  const std::vector<int16_t> widened(x, x + int64_t{height} * width * layer_.in_channels);
  conv2d_accumulate(layer_, widened.data(), height, width, out);
}

void Uint8Conv::run(const uint8_t* x, int height, int width, int16_t* out) const {
  const Uint8Kernel with = kernel();
  const int channels = layer_.out_channels;
  if (with != nullptr)
    return run_blocks(with, x, height, width, out,
                      [&](const int32_t* acc, int pixels, int16_t* to) {
                        requantize(acc, pixels, channels, layer_.multiplier.data(),
                                   layer_.shift.data(), layer_.leaky, layer_.lo, layer_.hi, to);
                      });
  const int64_t out_row = int64_t{conv_output_size(width, layer_.stride)} * channels;
  for_widened_strips(layer_, x, height, width, [&](const RowWindow& window, int begin, int end) {
    conv2d_rows(layer_, window, begin, end, out + begin * out_row);
  });
}

}  // namespace samebits
