#include "nn/conv_block.h"

#include <algorithm>
#include <vector>

#include "base/fixed_point.h"

namespace samebits {
namespace {

// The columns of three rows that a depthwise kernel reads at 16 channels, at a distance that is
// often a power of two, must not evict each other from the first-level cache.
constexpr int kSlidePixels = 24;

// Asks for one of several parts of `count` values that will be read soon. Kernels walk over the
// pixels of one group at a time, which the hardware does not foresee.
void prefetch_part(const int16_t* values, int64_t count, int part, int parts) {
  constexpr int64_t kLine = 64 / sizeof(int16_t);
  for (int64_t i = count * part / parts; i < count * (part + 1) / parts; i += kLine)
    __builtin_prefetch(values + i);
}

// Sums of a group in group order to natural order.
void copy_sums(const int32_t* acc, int pixels, int channels, int32_t* out, int64_t stride) {
  for (int p = 0; p < pixels; ++p, acc += kOutputGroup, out += stride) {
    int c = 0;
    for (; c + 4 <= channels; c += 4) std::copy_n(acc + kQuarterOrder[c / 4], 4, out + c);
    if (c < channels) std::copy_n(acc + kQuarterOrder[c / 4], channels - c, out + c);
  }
}

// Sums in natural order.
void finish_scalar(const ConvLayer& layer, const int32_t* acc, int pixels, const BlockOutput& out) {
  const int channels = layer.out_channels;
  if (out.sums != nullptr) {
    std::copy_n(acc, int64_t{pixels} * channels, out.sums);
    return;
  }
  for (int p = 0; p < pixels; ++p, acc += channels) {
    int16_t activations[kOutputGroup];
    for (int o = 0; o < channels; o += kOutputGroup) {
      const int count = std::min(kOutputGroup, channels - o);
      requantize_scalar(acc + o, count, layer.multiplier.data() + o, layer.shift.data() + o,
                        {layer.leaky, layer.lo, layer.hi}, activations);
      const int64_t offset = int64_t{p} * channels + o;
      for (int i = 0; i < count; ++i)
        out.activations[offset + i] =
            out.add == nullptr ? activations[i]
                               : static_cast<int16_t>(clamp(activations[i] + out.add[offset + i],
                                                            out.add_lo, out.add_hi));
    }
  }
}

void run_scalar(const ConvLayer& layer, const ConvBlock& block, const BlockOutput& out) {
  thread_local std::vector<int32_t> acc;
  acc.resize(size_t{1} * block.pixels * layer.out_channels);
  if (layer.depthwise)
    depthwise_block_scalar(layer, block, acc.data());
  else
    dense_block_scalar(layer, block, acc.data());
  finish_scalar(layer, acc.data(), block.pixels, out);
}

// A 3 x 3 kernel of stride 1, in runs along rows.
void slide(const ConvKernels& kernels, const ConvLayer& layer, const ConvBlocks& blocks,
           int64_t first, int pixels, const BlockOutput& out) {
  alignas(64) int32_t acc[kSlidePixels * kOutputGroup];
  for (int done = 0; done < pixels;) {
    DepthwiseRows rows = blocks.rows_from(first + done, std::min(kSlidePixels, pixels - done));
    const int64_t values = int64_t{rows.pixels} * layer.in_channels;
    const bool more = rows.step[2] != 0 && rows.x + 2 * rows.pixels <= rows.width;
    const int16_t* next = more ? rows.row[2] + (rows.x + rows.pixels) * rows.step[2] : nullptr;
    for (int channel = 0; channel < layer.out_channels; channel += kOutputGroup) {
      const int g = channel / kOutputGroup;
      rows.channels = std::min(kOutputGroup, layer.out_channels - channel);
      if (more) prefetch_part(next, values, g, group_count(layer.out_channels));
      kernels.depthwise_rows(rows, layer.packed.weight.data() + g * layer.packed.group_weights,
                             layer.packed.bias.data() + channel, acc);
      finish_group(&kernels, layer, g, acc, done, rows.pixels, out);
      for (int r = 0; r < 3; ++r)
        if (rows.step[r] != 0) rows.row[r] += kOutputGroup;
    }
    done += rows.pixels;
  }
}

}  // namespace

void finish_group(const ConvKernels* kernels, const ConvLayer& layer, int g, const int32_t* acc,
                  int64_t first, int pixels, const BlockOutput& out) {
  const int channel = g * kOutputGroup;
  const int channels = std::min(kOutputGroup, layer.out_channels - channel);
  const int64_t stride = layer.out_channels;
  const int64_t offset = first * stride + channel;
  if (out.sums != nullptr) return copy_sums(acc, pixels, channels, out.sums + offset, stride);
  const ActivationRange range{layer.leaky, layer.lo, layer.hi};
  kernels->requantize({acc, pixels, channels, &layer.packed.scale[g], range,
                       out.add == nullptr ? nullptr : out.add + offset, out.add_lo, out.add_hi,
                       out.activations + offset, stride});
}

void run_dense_block(const ConvKernels* kernels, const ConvLayer& layer, const ConvBlock& block,
                     const int16_t* next, const BlockOutput& out) {
  if (kernels == nullptr) return run_scalar(layer, block, out);
  const int64_t values = int64_t{block.pixels} * block.in_channels;
  alignas(64) int32_t acc[kMaxTileGroups * kBlockPixels * kOutputGroup];
  const int groups = group_count(layer.out_channels);
  const int parts = (groups + kernels->tile_groups - 1) / kernels->tile_groups;
  for (int g = 0; g < groups; g += kernels->tile_groups) {
    const int count = std::min(kernels->tile_groups, groups - g);
    if (next != nullptr) prefetch_part(next, values, g / kernels->tile_groups, parts);
    kernels->dense(block, layer.packed.weight.data() + g * layer.packed.group_weights,
                   layer.packed.bias.data() + g * kOutputGroup, count, acc);
    for (int i = 0; i < count; ++i)
      finish_group(kernels, layer, g + i, acc + i * block.pixels * kOutputGroup, 0, block.pixels,
                   out);
  }
}

void run_depthwise_block(const ConvKernels* kernels, const ConvLayer& layer,
                         const ConvBlocks& blocks, int64_t first, int pixels,
                         const BlockOutput& out) {
  if (kernels != nullptr && layer.kernel == 3 && layer.stride == 1)
    return slide(*kernels, layer, blocks, first, pixels, out);
  const int16_t* inputs[kMaxTaps * kBlockPixels];
  blocks.gather(first, pixels, inputs);
  const ConvBlock block{inputs, blocks.taps(), pixels, layer.in_channels};
  if (kernels == nullptr) return run_scalar(layer, block, out);
  alignas(64) int32_t acc[kBlockPixels * kOutputGroup];
  for (int channel = 0; channel < layer.out_channels; channel += kOutputGroup) {
    const int g = channel / kOutputGroup;
    kernels->depthwise(block, channel, std::min(kOutputGroup, layer.out_channels - channel),
                       layer.packed.weight.data() + g * layer.packed.group_weights,
                       layer.packed.bias.data() + channel, acc);
    finish_group(kernels, layer, g, acc, 0, pixels, out);
  }
}

}  // namespace samebits
