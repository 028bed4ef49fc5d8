#include "nn/conv.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/threads.h"
#include "nn/conv_kernels.h"
#ifdef SAMEBITS_HAVE_CUDA
#include "cuda/cuda_module.h"
#include "nn/network_view.h"
#endif
#include "nn/pack_weights.h"
#include "nn/requantize.h"
#include "nn/target.h"

namespace samebits {
namespace {

// Below this many multiplications a convolution runs on the calling thread: waking others takes
// longer.
constexpr int64_t kParallelWork = int64_t{1} << 21;

[[noreturn]] void refuse(const std::string& message) {
  fail(ErrorKind::invalid_argument, "convolution: " + message);
}

void require_size(size_t actual, int64_t wanted, const char* what) {
  if (static_cast<int64_t>(actual) != wanted)
    refuse(std::string(what) + " has " + std::to_string(actual) + " entries, needs " +
           std::to_string(wanted));
}

void require_requantization(const ConvLayer& layer) {
  require_size(layer.multiplier.size(), layer.out_channels, "multiplier");
  require_size(layer.shift.size(), layer.out_channels, "shift");
  for (int32_t m : layer.multiplier)
    if (m < 0 || m > kMaxMultiplier)
      refuse("multiplier " + std::to_string(m) + " is not in 0..65535");
  for (int32_t s : layer.shift)
    if (s < kMinShift || s > kMaxShift) refuse("shift " + std::to_string(s) + " is not in 1..46");
}

// What one output row or stretch of it needs: the block and where it starts.
struct OutputBlock {
  int y, x, pixels;
};

// The convolution of output rows [begin, end), cut into blocks of at most kBlockPixels pixels.
class BlockWalk {
 public:
  BlockWalk(const ConvLayer& layer, const RowWindow& x, int begin, int end)
      : layer_(layer), x_(x), begin_(begin), out_width_(conv_output_size(x.width, layer.stride)) {
    blocks_per_row_ = (out_width_ + kBlockPixels - 1) / kBlockPixels;
    count_ = int64_t{blocks_per_row_} * (end - begin);
    zeros_.resize(static_cast<size_t>(layer.in_channels));
  }

  int64_t count() const { return count_; }
  int out_width() const { return out_width_; }

  OutputBlock block(int64_t n) const {
    const int y = begin_ + static_cast<int>(n / blocks_per_row_);
    const int x = static_cast<int>(n % blocks_per_row_) * kBlockPixels;
    return {y, x, std::min(kBlockPixels, out_width_ - x)};
  }

  // One input pointer for each tap and pixel; pixels outside the picture are zeros.
  void gather(const OutputBlock& block, const int16_t** inputs) const {
    const int pad = (layer_.kernel - 1) / 2;
    for (int ky = 0; ky < layer_.kernel; ++ky) {
      const int y = block.y * layer_.stride + ky - pad;
      for (int kx = 0; kx < layer_.kernel; ++kx, inputs += block.pixels)
        gather_row(y, block.x * layer_.stride + kx - pad, block.pixels, inputs);
    }
  }

 private:
  // Pointers to pixels x, x + stride, ... of input row y.
  void gather_row(int y, int x, int pixels, const int16_t** inputs) const {
    int before = x < 0 ? std::min(pixels, (layer_.stride - 1 - x) / layer_.stride) : 0;
    int inside = x < x_.width ? std::min(pixels, (x_.width - 1 - x) / layer_.stride + 1) : 0;
    if (y < 0 || y >= x_.height) before = inside = 0;
    int p = 0;
    for (; p < before; ++p) inputs[p] = zeros_.data();
    const int64_t first = int64_t{y - x_.first_row} * x_.width + x;
    const int64_t step = int64_t{layer_.stride} * layer_.in_channels;
    for (; p < inside; ++p) inputs[p] = x_.data + (first * layer_.in_channels + p * step);
    for (; p < pixels; ++p) inputs[p] = zeros_.data();
  }

  const ConvLayer& layer_;
  const RowWindow& x_;
  int begin_, out_width_, blocks_per_row_;
  int64_t count_;
  std::vector<int16_t> zeros_;
};

void accumulate_block(const ConvLayer& layer, const ConvBlock& block, Target target) {
#ifdef SAMEBITS_HAVE_AVX2
  if (target == Target::avx2) {
    const auto kernel = layer.depthwise ? depthwise_block_avx2 : dense_block_avx2;
    return kernel(layer.packed.weight.data(), layer.packed.bias.data(), block);
  }
#endif
  (void)target;
  const auto kernel = layer.depthwise ? depthwise_block_scalar : dense_block_scalar;
  kernel(layer, block);
}

void requantize_rows(const RequantizeJob& job, Target target) {
#ifdef SAMEBITS_HAVE_AVX2
  if (target == Target::avx2) return requantize_avx2(job);
#endif
  (void)target;
  requantize_scalar(job);
}

// The target of the kernels in this file.
Target cpu_target() {
  const Target chosen = target();
  return chosen == Target::cuda ? fastest_cpu_target() : chosen;
}

// Calls finish(first output pixel, pixels, accumulators, their stride) for every block.
template <class Finish>
void for_blocks(const ConvLayer& layer, RowWindow x, int begin, int end, const Finish& finish) {
  if (layer.kernel == 1 && layer.stride == 1) {  // position does not matter: one long row
    x.data += int64_t{begin - x.first_row} * x.width * layer.in_channels;
    const int64_t pixels = int64_t{end - begin} * x.width;
    if (pixels > INT32_MAX) refuse("more than 2^31 - 1 pixels at once");
    x = {x.data, 0, 1, 1, static_cast<int>(pixels)};
    begin = 0;
    end = 1;
  }
  const BlockWalk walk(layer, x, begin, end);
  const Target target = cpu_target();
  const int acc_stride = round_up_to_group(layer.out_channels);
  const int taps = layer.kernel * layer.kernel;
  const auto work = [&](int64_t first, int64_t last) {
    std::vector<int32_t> acc(static_cast<size_t>(kBlockPixels) * acc_stride);
    const int16_t* inputs[kMaxTaps * kBlockPixels];
    for (int64_t n = first; n < last; ++n) {
      const OutputBlock place = walk.block(n);
      walk.gather(place, inputs);
      accumulate_block(layer,
                       {inputs, taps, place.pixels, layer.in_channels, layer.out_channels,
                        acc.data(), acc_stride},
                       target);
      const int64_t first_pixel = int64_t{place.y - begin} * walk.out_width() + place.x;
      finish(first_pixel, place.pixels, acc.data(), acc_stride, target);
    }
  };
  const int64_t pixel_work =
      int64_t{layer.out_channels} * (layer.depthwise ? 1 : layer.in_channels);
  if (walk.count() * kBlockPixels * taps * pixel_work < kParallelWork)
    work(0, walk.count());
  else
    parallel_for(walk.count(), work);
}

// True if the convolution was the GPU's; one of sums and activations is null.
bool done_by_cuda(const ConvLayer& layer, const RowWindow& x, int begin, int end, int32_t* sums,
                  int16_t* activations) {
#ifdef SAMEBITS_HAVE_CUDA
  if (target() == Target::cuda) {
    const CudaConv conv{view_layer(layer, INT16_MIN, INT16_MAX),
                        x.data,
                        x.first_row,
                        x.rows,
                        x.height,
                        x.width,
                        begin,
                        end,
                        sums,
                        activations};
    CudaResult result;
    require_cuda_module().conv2d(&conv, &result);
    check_cuda(result);
    return true;
  }
#endif
  (void)layer, (void)x, (void)begin, (void)end, (void)sums, (void)activations;
  return false;
}

void require_prepared(const ConvLayer& layer) {
  if (!layer.prepared) refuse("prepare() was not called");
}

}  // namespace

void ConvLayer::prepare() {
  if (in_channels < 1 || out_channels < 1 || in_channels > kMaxChannels ||
      out_channels > kMaxChannels)
    refuse("channels must be in 1.." + std::to_string(kMaxChannels));
  if (kernel != 1 && kernel != 3) refuse("kernel " + std::to_string(kernel) + " is not 1 or 3");
  if (stride != 1 && stride != 2) refuse("stride " + std::to_string(stride) + " is not 1 or 2");
  if (depthwise && in_channels != out_channels)
    refuse("a depthwise layer needs as many outputs as inputs");
  if (leaky < -1 || leaky > kMaxLeaky)
    refuse("leaky shift " + std::to_string(leaky) + " is not in -1..15");
  if (lo < -32768 || hi > 32767 || lo > hi)
    refuse("clamp " + std::to_string(lo) + ".." + std::to_string(hi) + " is not within int16");
  const int64_t inputs = depthwise ? 1 : in_channels;
  require_size(weight.size(), int64_t{out_channels} * kernel * kernel * inputs, "weight");
  if (!bias.empty()) require_size(bias.size(), out_channels, "bias");
  if (!multiplier.empty() || !shift.empty()) require_requantization(*this);
#ifdef SAMEBITS_HAVE_AVX2
  packed = pack_weights(*this);
#endif
  prepared = true;
}

void conv2d_accumulate(const ConvLayer& layer, const int16_t* x, int height, int width,
                       int32_t* out) {
  require_prepared(layer);
  const RowWindow window{x, 0, height, height, width};
  const int out_height = conv_output_size(height, layer.stride);
  if (done_by_cuda(layer, window, 0, out_height, out, nullptr)) return;
  const int channels = layer.out_channels;
  const auto copy = [&](int64_t first_pixel, int pixels, const int32_t* acc, int acc_stride,
                        Target) {
    for (int p = 0; p < pixels; ++p)
      std::copy_n(acc + static_cast<int64_t>(p) * acc_stride, channels,
                  out + (first_pixel + p) * channels);
  };
  for_blocks(layer, window, 0, out_height, copy);
}

void conv2d_rows(const ConvLayer& layer, const RowWindow& x, int begin, int end, int16_t* out) {
  require_prepared(layer);
  if (layer.multiplier.empty()) refuse("the layer has no multiplier and shift");
  if (done_by_cuda(layer, x, begin, end, nullptr, out)) return;
  const auto finish = [&](int64_t first_pixel, int pixels, const int32_t* acc, int acc_stride,
                          Target target) {
    requantize_rows(
        {acc, acc_stride, pixels, layer.out_channels, layer.multiplier.data(), layer.shift.data(),
         layer.leaky, layer.lo, layer.hi, out + first_pixel * layer.out_channels},
        target);
  };
  for_blocks(layer, x, begin, end, finish);
}

void conv2d(const ConvLayer& layer, const int16_t* x, int height, int width, int16_t* out) {
  conv2d_rows(layer, {x, 0, height, height, width}, 0, conv_output_size(height, layer.stride), out);
}

ConvLayer slice_outputs(const ConvLayer& layer, int begin, int end) {
  if (begin < 0 || begin >= end || end > layer.out_channels || layer.depthwise)
    refuse("only a non-empty range of a dense layer's outputs can be sliced off");
  const auto slice = [&](const auto& values, int64_t per_output) {
    using Values = std::decay_t<decltype(values)>;
    if (values.empty()) return Values();
    return Values(values.begin() + begin * per_output, values.begin() + end * per_output);
  };
  ConvLayer part;
  part.in_channels = layer.in_channels;
  part.out_channels = end - begin;
  part.kernel = layer.kernel;
  part.stride = layer.stride;
  part.weight = slice(layer.weight, int64_t{layer.kernel} * layer.kernel * layer.in_channels);
  part.bias = slice(layer.bias, 1);
  part.multiplier = slice(layer.multiplier, 1);
  part.shift = slice(layer.shift, 1);
  part.leaky = layer.leaky;
  part.lo = layer.lo;
  part.hi = layer.hi;
  part.prepare();
  return part;
}

int64_t accumulator_bound(const ConvLayer& layer, int max_abs_input) {
  const int64_t per_output = static_cast<int64_t>(layer.weight.size()) / layer.out_channels;
  int64_t bound = 0;
  for (int o = 0; o < layer.out_channels; ++o) {
    int64_t l1 = 0;
    for (int64_t i = 0; i < per_output; ++i)
      l1 += std::abs(int32_t{layer.weight[o * per_output + i]});
    const int64_t bias = layer.bias.empty() ? 0 : std::abs(int64_t{layer.bias[o]});
    bound = std::max(bound, l1 * max_abs_input + bias);
  }
  return bound;
}

void requantize(const int32_t* acc, int64_t rows, int channels, const int32_t* multiplier,
                const int32_t* shift, int leaky, int lo, int hi, int16_t* out) {
  requantize_rows({acc, channels, rows, channels, multiplier, shift, leaky, lo, hi, out},
                  cpu_target());
}

}  // namespace samebits
