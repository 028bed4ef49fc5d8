#include "cuda/dense_conv.h"
#include "cuda/depthwise_conv.h"
#include "cuda/device_memory.h"
#include "cuda/network_plan.h"
#include "cuda/single_conv.h"

namespace samebits {
namespace {

// The rows of a window on the device, and the address that row 0 of the picture would have.
struct Window {
  DeviceBuffer memory;
  const int16_t* picture;
};

Window upload_window(const CudaConv& conv, int pitch) {
  const size_t pixels = size_t(conv.rows) * size_t(conv.width);
  const size_t row = size_t(conv.layer.in_channels) * sizeof(int16_t);
  Window window{DeviceBuffer(pixels * pitch * sizeof(int16_t)), nullptr};
  require(cudaMemset(window.memory.data(), 0, window.memory.bytes()));
  require(cudaMemcpy2D(window.memory.data(), pitch * sizeof(int16_t), conv.x, row, row, pixels,
                       cudaMemcpyHostToDevice));
  window.picture = window.memory.as<int16_t>() - int64_t{conv.first_row} * conv.width * pitch;
  return window;
}

void run_dense(const CudaConv& conv, const int16_t* x, int width, int16_t* out, int32_t* sums) {
  const DeviceDense layer(conv.layer);
  DenseConv job = layer.conv;
  job.sums = sums;
  ConvSegment& all = job.segment[0];
  all.x = x;
  all.out = out;
  all.height = conv.height;
  all.width = conv.width;
  all.at = whole_picture(width);
  all.positions = (conv.end - conv.begin) * width;
  all.count = conv.layer.out_channels;
  all.out_pitch = round_up(conv.layer.out_channels, kPitchUnit);
  all.whole_rows = 1;
  all.first_row = conv.begin;
  require(prepare_dense_conv());
  require(run_dense_conv(job, 1, layer.digits, nullptr));
}

void run_depthwise(const CudaConv& conv, const int16_t* x, int width, int16_t* out, int32_t* sums) {
  const DeviceDepthwise layer(conv.layer);
  require(run_depthwise_conv(
      {x, out, sums, layer.weights.as<int16_t>(), layer.scales.as<ChannelScale>(), conv.height,
       conv.width, conv.end - conv.begin, width, conv.begin, conv.layer.in_channels,
       round_up(conv.layer.in_channels, kPitchUnit), conv.layer.kernel, conv.layer.stride,
       layer.activation},
      nullptr));
}

}  // namespace

void run_single_conv(const CudaConv& conv) {
  const CudaLayer& layer = conv.layer;
  const int width = (conv.width + layer.stride - 1) / layer.stride;
  const int64_t positions = int64_t{conv.end - conv.begin} * width;
  if (positions == 0) return;
  if (positions > INT32_MAX) require(cudaErrorInvalidValue);
  const Window window = upload_window(conv, round_up(layer.in_channels, kPitchUnit));
  const int pitch = round_up(layer.out_channels, kPitchUnit);
  const size_t row = size_t(layer.out_channels) * (conv.sums ? sizeof(int32_t) : sizeof(int16_t));
  const size_t device_row = conv.sums ? row : pitch * sizeof(int16_t);
  const DeviceBuffer out(static_cast<size_t>(positions) * device_row);
  int32_t* sums = conv.sums ? out.as<int32_t>() : nullptr;
  int16_t* activations = conv.sums ? nullptr : out.as<int16_t>();
  if (layer.depthwise)
    run_depthwise(conv, window.picture, width, activations, sums);
  else
    run_dense(conv, window.picture, width, activations, sums);
  void* to = conv.sums ? static_cast<void*>(conv.sums) : conv.activations;
  require(cudaMemcpy2D(to, row, out.data(), device_row, row, static_cast<size_t>(positions),
                       cudaMemcpyDeviceToHost));
}

}  // namespace samebits
