// Convolutions of rows of a picture: cut into blocks, shared among threads.
#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fixed_point.h"
#include "base/threads.h"
#include "nn/conv.h"
#include "nn/conv_block.h"
#include "nn/conv_blocks.h"
#ifdef SAMEBITS_HAVE_CUDA
#include "cuda/cuda_module.h"
#include "nn/network_view.h"
#endif
#include "nn/target.h"
#include "nn/target_kernels.h"
#include "nn/winograd.h"

namespace samebits {
namespace {

// Below this many multiplications a convolution runs on the calling thread: waking others takes
// longer.
constexpr int64_t kParallelWork = int64_t{1} << 21;

[[noreturn]] void refuse(const std::string& message) {
  fail(ErrorKind::invalid_argument, "convolution: " + message);
}

int64_t work_per_pixel(const ConvLayer& layer) {
  return int64_t{layer.kernel} * layer.kernel * layer.out_channels *
         (layer.depthwise ? 1 : layer.in_channels);
}

// Calls work(first pixel, pixels) for blocks that cover `count` pixels. Threads get whole tiles.
template <class Work>
void for_blocks(int64_t count, int64_t pixel_work, const Work& work) {
  const auto part = [&count, &work](int64_t begin, int64_t end) {
    const int64_t last = std::min(count, end * kTilePixels);
    for (int64_t first = begin * kTilePixels; first < last; first += kBlockPixels)
      work(first, static_cast<int>(std::min<int64_t>(kBlockPixels, last - first)));
  };
  const int64_t tiles = (count + kTilePixels - 1) / kTilePixels;
  if (count * pixel_work < kParallelWork)
    part(0, tiles);
  else
    parallel_for(tiles, std::cref(part));
}

BlockOutput offset_output(const BlockOutput& out, int64_t offset) {
  return {out.sums == nullptr ? nullptr : out.sums + offset,
          out.activations == nullptr ? nullptr : out.activations + offset,
          out.add == nullptr ? nullptr : out.add + offset, out.add_lo, out.add_hi};
}

void run_rows(const ConvLayer& layer, const RowWindow& x, int begin, int end,
              const BlockOutput& out) {
  if (done_by_winograd(layer, x, begin, end, out)) return;
  const ConvBlocks blocks(layer, x, begin, end);
  const ConvKernels* kernels = target_kernels();
  for_blocks(blocks.pixels(), work_per_pixel(layer), [&](int64_t first, int pixels) {
    const BlockOutput block_out = offset_output(out, first * layer.out_channels);
    if (layer.depthwise)
      return run_depthwise_block(kernels, layer, blocks, first, pixels, block_out);
    const int16_t* inputs[kMaxTaps * kBlockPixels];
    blocks.gather(first, pixels, inputs);
    const bool more =
        layer.kernel == 1 && layer.stride == 1 && first + 2 * pixels <= blocks.pixels();
    run_dense_block(kernels, layer, {inputs, blocks.taps(), pixels, layer.in_channels},
                    more ? inputs[0] + int64_t{pixels} * layer.in_channels : nullptr, block_out);
  });
}

BlockOutput activations_to(int16_t* out, const Residual* residual) {
  if (residual == nullptr) return {nullptr, out, nullptr, 0, 0};
  return {nullptr, out, residual->rows, residual->lo, residual->hi};
}

void require_activations(const ConvLayer& layer, const Residual* residual) {
  if (!layer.prepared) refuse("prepare() was not called");
  if (layer.multiplier.empty()) refuse("the layer has no multiplier and shift");
  if (residual != nullptr &&
      (residual->lo < -32768 || residual->hi > 32767 || residual->lo > residual->hi))
    refuse("clamp of the residual, " + std::to_string(residual->lo) + ".." +
           std::to_string(residual->hi) + ", is not within int16");
}

// True if the convolution was the GPU's; one of sums and activations is null.
bool done_by_cuda(const ConvLayer& layer, const RowWindow& x, int begin, int end, int32_t* sums,
                  int16_t* activations, const Residual* residual) {
#ifdef SAMEBITS_HAVE_CUDA
  if (target() == Target::cuda) {
    const int64_t count =
        int64_t{end - begin} * conv_output_size(x.width, layer.stride) * layer.out_channels;
    std::vector<int16_t> alone(residual == nullptr ? 0 : count);
    const CudaConv conv{view_layer(layer, INT16_MIN, INT16_MAX),
                        x.data,
                        x.first_row,
                        x.rows,
                        x.height,
                        x.width,
                        begin,
                        end,
                        sums,
                        residual ? alone.data() : activations};
    CudaResult result;
    require_cuda_module().conv2d(&conv, &result);
    check_cuda(result);
    for (size_t i = 0; i < alone.size(); ++i)
      activations[i] =
          static_cast<int16_t>(clamp(alone[i] + residual->rows[i], residual->lo, residual->hi));
    return true;
  }
#endif
  (void)layer, (void)x, (void)begin, (void)end, (void)sums, (void)activations, (void)residual;
  return false;
}

}  // namespace

void conv2d_accumulate(const ConvLayer& layer, const int16_t* x, int height, int width,
                       int32_t* out) {
  conv2d_accumulate_rows(layer, {x, 0, height, height, width}, 0,
                         conv_output_size(height, layer.stride), out);
}

void conv2d_accumulate_rows(const ConvLayer& layer, const RowWindow& x, int begin, int end,
                            int32_t* out) {
  if (!layer.prepared) refuse("prepare() was not called");
  if (done_by_cuda(layer, x, begin, end, out, nullptr, nullptr)) return;
  run_rows(layer, x, begin, end, {out, nullptr, nullptr, 0, 0});
}

void conv2d_rows(const ConvLayer& layer, const RowWindow& x, int begin, int end, int16_t* out,
                 const Residual* residual) {
  require_activations(layer, residual);
  if (done_by_cuda(layer, x, begin, end, nullptr, out, residual)) return;
  run_rows(layer, x, begin, end, activations_to(out, residual));
}

void conv2d(const ConvLayer& layer, const int16_t* x, int height, int width, int16_t* out) {
  conv2d_rows(layer, {x, 0, height, height, width}, 0, conv_output_size(height, layer.stride), out);
}

void depthwise_pointwise_rows(const ConvLayer& depthwise, const ConvLayer& pointwise,
                              const RowWindow& x, int begin, int end, int16_t* out,
                              const Residual* residual) {
  require_activations(depthwise, nullptr);
  require_activations(pointwise, residual);
  if (!depthwise.depthwise) refuse("the first of two fused layers must be depthwise");
  if (pointwise.depthwise || pointwise.kernel != 1 || pointwise.stride != 1 ||
      pointwise.in_channels != depthwise.out_channels)
    refuse(
        "the second of two fused layers must be a dense 1 x 1 layer of stride 1 that takes the "
        "first's channels");
  const ConvBlocks blocks(depthwise, x, begin, end);
  const int channels = depthwise.out_channels;
  if (target() == Target::cuda) {
    std::vector<int16_t> between(blocks.pixels() * channels);
    conv2d_rows(depthwise, x, begin, end, between.data());
    const int out_height = conv_output_size(x.height, depthwise.stride);
    const int out_width = conv_output_size(x.width, depthwise.stride);
    return conv2d_rows(pointwise, {between.data(), begin, end - begin, out_height, out_width},
                       begin, end, out, residual);
  }
  const ConvKernels* kernels = target_kernels();
  const BlockOutput all = activations_to(out, residual);
  const int64_t pixel_work = work_per_pixel(depthwise) + work_per_pixel(pointwise);
  for_blocks(blocks.pixels(), pixel_work, [&](int64_t first, int pixels) {
    thread_local std::vector<int16_t> between;
    if (between.size() < size_t{kBlockPixels} * channels)
      between.resize(size_t{kBlockPixels} * channels);
    run_depthwise_block(kernels, depthwise, blocks, first, pixels,
                        {nullptr, between.data(), nullptr, 0, 0});
    const int16_t* inputs[kBlockPixels];
    for (int p = 0; p < pixels; ++p) inputs[p] = between.data() + int64_t{p} * channels;
    run_dense_block(kernels, pointwise, {inputs, 1, pixels, channels}, nullptr,
                    offset_output(all, first * pointwise.out_channels));
  });
}

}  // namespace samebits
