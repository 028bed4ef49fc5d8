#include "cuda/dense_conv.h"
#include "cuda/depthwise_conv.h"
#include "cuda/launch.h"
#include "cuda/pack_dense.h"

namespace samebits {
namespace {

constexpr int kThreads = 128;
constexpr int kGroup = kPitchUnit;  // channels of a thread

__device__ __forceinline__ int32_t low_half(uint32_t pair) {
  return static_cast<int16_t>(pair);
}
__device__ __forceinline__ int32_t high_half(uint32_t pair) {
  return static_cast<int32_t>(pair) >> 16;
}

__device__ __forceinline__ void add_products(uint32_t (&sum)[kGroup], const uint4& x,
                                             const uint4& w) {
  const uint32_t a[4] = {x.x, x.y, x.z, x.w}, b[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    sum[2 * i] += static_cast<uint32_t>(low_half(a[i]) * low_half(b[i]));
    sum[2 * i + 1] += static_cast<uint32_t>(high_half(a[i]) * high_half(b[i]));
  }
}

__global__ void __launch_bounds__(kThreads) depthwise_kernel(const DepthwiseConv conv) {
  const int groups = conv.pitch / kGroup;
  const int64_t n = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (n >= int64_t{conv.out_height} * conv.out_width * groups) return;
  const int channel = static_cast<int>(n % groups) * kGroup;
  const int64_t pixel = n / groups;
  const int y = static_cast<int>(pixel / conv.out_width),
            x = static_cast<int>(pixel % conv.out_width);
  const int pad = (conv.kernel - 1) / 2;
  uint32_t sum[kGroup] = {};
  for (int ky = 0; ky < conv.kernel; ++ky) {
    const int row = (y + conv.first_row) * conv.stride + ky - pad;
    if (row < 0 || row >= conv.height) continue;
    for (int kx = 0; kx < conv.kernel; ++kx) {
      const int column = x * conv.stride + kx - pad;
      if (column < 0 || column >= conv.width) continue;
      const int64_t at = (int64_t{row} * conv.width + column) * conv.pitch + channel;
      const int tap = ky * conv.kernel + kx;
      add_products(sum, *reinterpret_cast<const uint4*>(conv.x + at),
                   *reinterpret_cast<const uint4*>(conv.weights + tap * conv.pitch + channel));
    }
  }
  alignas(16) int16_t values[kGroup];
#pragma unroll
  for (int i = 0; i < kGroup; ++i) {
    const ChannelScale scale = conv.scales[channel + i];
    const bool used = channel + i < conv.channels;
    const int32_t total = static_cast<int32_t>(sum[i] + static_cast<uint32_t>(scale.bias));
    if (conv.sums && used) conv.sums[pixel * conv.channels + channel + i] = total;
    values[i] = used && !conv.sums
                    ? static_cast<int16_t>(requantized(total, scale, conv.activation))
                    : int16_t{0};
  }
  if (!conv.sums)
    *reinterpret_cast<uint4*>(conv.out + pixel * conv.pitch + channel) =
        *reinterpret_cast<const uint4*>(values);
}

}  // namespace

PackedDepthwise pack_depthwise(const CudaLayer& layer) {
  const int pitch = round_up(layer.in_channels, kPitchUnit), taps = layer.kernel * layer.kernel;
  PackedDepthwise packed;
  packed.fast = layer.shift != nullptr && fast_shifts(layer);
  packed.weights.resize(static_cast<size_t>(taps) * pitch);
  packed.scales.resize(pitch);
  for (int c = 0; c < layer.in_channels; ++c) {
    for (int tap = 0; tap < taps; ++tap)
      packed.weights[static_cast<size_t>(tap) * pitch + c] = layer.weight[c * taps + tap];
    const int32_t bias = layer.bias ? layer.bias[c] : 0;
    packed.scales[c] =
        layer.multiplier ? channel_scale(layer, c, bias, packed.fast) : ChannelScale{bias, 0, 0, 0};
  }
  return packed;
}

cudaError_t run_depthwise_conv(const DepthwiseConv& conv, cudaStream_t stream) {
  const int64_t threads = int64_t{conv.out_height} * conv.out_width * (conv.pitch / kPitchUnit);
  const dim3 grid(static_cast<unsigned>((threads + kThreads - 1) / kThreads));
  return launch(depthwise_kernel, grid, dim3(kThreads), 0, stream, conv);
}

}  // namespace samebits
