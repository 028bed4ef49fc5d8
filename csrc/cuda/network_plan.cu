#include "cuda/depthwise_conv.h"
#include "cuda/network_plan.h"
#include "cuda/pack_dense.h"

namespace samebits {
namespace {

enum Opcode { kConv = 1, kAdd = 2, kUnshuffle = 3, kShuffle = 4, kClamp = 5, kLut = 6 };

int output_size(int size, int stride) {
  return (size + stride - 1) / stride;
}

CudaLayer without_pointers(CudaLayer layer) {
  layer.weight = nullptr;
  layer.bias = layer.multiplier = layer.shift = nullptr;
  return layer;
}

}  // namespace

DeviceDense::DeviceDense(const CudaLayer& layer, int shuffle) : conv{} {
  const PackedDense packed = pack_dense(
      layer, shuffle > 1 ? shuffled_outputs(layer.out_channels, shuffle) : std::vector<int32_t>());
  weights = uploaded(packed.weights);
  scales = uploaded(packed.scales);
  digits = packed.digits;
  tiles = packed.tiles;
  conv.weights = weights.as<uint8_t>();
  conv.scales = scales.as<ChannelScale>();
  conv.in_pitch = round_up(layer.in_channels, kPitchUnit);
  conv.in_channels = layer.in_channels;
  conv.out_channels = layer.out_channels;
  conv.kernel = layer.kernel;
  conv.stride = layer.stride;
  conv.tiles = tiles;
  conv.shuffle = shuffle;
  conv.activation = {layer.leaky, layer.lo, layer.hi, packed.fast};
}

DeviceDepthwise::DeviceDepthwise(const CudaLayer& layer) : shape(without_pointers(layer)) {
  const PackedDepthwise packed = pack_depthwise(layer);
  weights = uploaded(packed.weights);
  scales = uploaded(packed.scales);
  activation = {layer.leaky, layer.lo, layer.hi, packed.fast};
}

DenseConv whole_conv(const DeviceDense& layer, const DeviceTensor& x, const DeviceTensor& out) {
  DenseConv conv = layer.conv;
  const int height = output_size(x.height, conv.stride), width = output_size(x.width, conv.stride);
  ConvSegment& all = conv.segment[0];
  all.x = x.data;
  all.out = out.data;
  all.height = x.height;
  all.width = x.width;
  all.at = whole_picture(width);
  all.positions = height * width;
  all.count = conv.out_channels;
  all.out_pitch = out.pitch;
  all.whole_rows = 1;
  return conv;
}

NetworkPlan::NetworkPlan(const CudaNetwork& network, End end)
    : channels_(network.channels, network.channels + network.operation_count + 1),
      last_use_(network.last_use, network.last_use + network.operation_count + 1) {
  const int count = end == End::pixels ? leave_pixels(network) : network.operation_count;
  last_use_[count] = network.operation_count;  // the output outlives every operation
  for (int n = 0; n < network.layer_count; ++n)
    shapes_.push_back(without_pointers(network.layers[n]));
  for (int n = 0; n < count; n = work_.back().last + 1) {
    Work work = joined(network, n);
    if (work.last >= count) work = {network.operations[n], n + 1, -1, 0, 0, 1, n};
    work_.push_back(work);
    if (work.op.opcode != kConv) continue;
    const CudaLayer& layer = network.layers[work.op.layer];
    if (layer.depthwise)
      depthwise_.try_emplace(work.op.layer, layer);
    else
      dense_.try_emplace({work.op.layer, work.shuffle}, layer, work.shuffle);
  }
  for (int n = 0; n < network.lut_count; ++n) luts_.push_back(uploaded(network.luts[n], 65536));
}

// How many operations are left when the last ones are made part of the pixels.
int NetworkPlan::leave_pixels(const CudaNetwork& network) {
  int count = network.operation_count;
  const auto ends_with = [&](int opcode) {
    return count > 1 && network.operations[count - 1].opcode == opcode &&
           network.operations[count - 1].src == count - 1;
  };
  const bool clamp = ends_with(kClamp);
  const CudaOperation last = network.operations[count - 1];
  if (clamp) --count;
  if (!ends_with(kShuffle)) return network.operation_count;
  if (clamp) {
    pixel_lo_ = last.lo;
    pixel_hi_ = last.hi;
  }
  pixel_factor_ = network.operations[count - 1].factor;
  return count - 1;
}

// Operation n, with the next one if that only takes what n has made: an addition, or a shuffle.
NetworkPlan::Work NetworkPlan::joined(const CudaNetwork& network, int n) const {
  const CudaOperation& op = network.operations[n];
  Work work{op, n + 1, -1, 0, 0, 1, n};
  if (op.opcode != kConv || n + 1 >= network.operation_count) return work;
  const CudaLayer& layer = network.layers[op.layer];
  const CudaOperation& next = network.operations[n + 1];
  if (layer.depthwise || last_use_[n + 1] != n + 1) return work;
  if (next.opcode == kAdd && (next.src == n + 1) != (next.src2 == n + 1)) {
    work.residual = next.src == n + 1 ? next.src2 : next.src;
    work.lo = next.lo;
    work.hi = next.hi;
  } else if (next.opcode == kShuffle && next.src == n + 1 && layer.stride == 1 &&
             layer.out_channels / (next.factor * next.factor) % kPitchUnit == 0) {
    work.shuffle = next.factor;
  } else {
    return work;
  }
  work.value = n + 2;
  work.last = n + 1;
  return work;
}

DeviceTensor NetworkPlan::shape_after(const Work& work, const DeviceTensor& x) const {
  DeviceTensor out = x;
  out.channels = channels_[work.value];
  out.pitch = round_up(out.channels, kPitchUnit);
  if (work.op.opcode == kConv) {
    const int stride = shapes_[work.op.layer].stride;
    out.height = output_size(x.height, stride) * work.shuffle;
    out.width = output_size(x.width, stride) * work.shuffle;
  } else if (work.op.opcode == kUnshuffle) {
    out.height /= work.op.factor;
    out.width /= work.op.factor;
  } else if (work.op.opcode == kShuffle) {
    out.height *= work.op.factor;
    out.width *= work.op.factor;
  }
  return out;
}

DeviceTensor NetworkPlan::run(const DeviceTensor& x, Arena& arena, cudaStream_t stream) const {
  std::vector<DeviceTensor> values(channels_.size(), DeviceTensor{});
  std::vector<bool> held(channels_.size(), false);
  values[0] = x;
  for (const Work& work : work_) {
    const DeviceTensor& src = values[work.op.src];
    DeviceTensor out = shape_after(work, src);
    if (out.positions() > INT32_MAX) require(cudaErrorMemoryAllocation);
    out.data = arena.allocate<int16_t>(out.positions() * out.pitch);
    const int other = work.residual >= 0 ? work.residual : work.op.src2;
    if (!arena.counting())
      launch_work(work, src, other >= 0 ? &values[other] : nullptr, out, stream);
    values[work.value] = out;
    held[work.value] = true;
    for (int value = 1; value <= work.value; ++value) {
      if (!held[value] || last_use_[value] > work.last) continue;
      arena.release(values[value].data);
      held[value] = false;
    }
  }
  return values[work_.back().value];
}

void NetworkPlan::launch_work(const Work& work, const DeviceTensor& x, const DeviceTensor* other,
                              const DeviceTensor& out, cudaStream_t stream) const {
  const CudaOperation& op = work.op;
  switch (op.opcode) {
    case kConv: {
      if (shapes_[op.layer].depthwise) return launch_depthwise(work, x, out, stream);
      const DeviceDense& layer = dense_.at({op.layer, work.shuffle});
      DenseConv conv = whole_conv(layer, x, out);
      if (work.residual >= 0) conv.segment[0].residual = other->data;
      conv.add_lo = work.lo;
      conv.add_hi = work.hi;
      return require(run_dense_conv(conv, 1, layer.digits, stream));
    }
    case kAdd:
      return require(run_add(x, *other, op.lo, op.hi, out, stream));
    case kUnshuffle:
      return require(run_unshuffle(x, op.factor, out, stream));
    case kShuffle:
      return require(run_shuffle(x, op.factor, out, stream));
    case kClamp:
      return require(run_clamp(x, op.lo, op.hi, out, stream));
    case kLut:
      return require(run_lut(x, luts_[op.layer].as<int16_t>(), out, stream));
    default:
      require(cudaErrorInvalidValue);
  }
}

void NetworkPlan::launch_depthwise(const Work& work, const DeviceTensor& x, const DeviceTensor& out,
                                   cudaStream_t stream) const {
  const DeviceDepthwise& layer = depthwise_.at(work.op.layer);
  require(run_depthwise_conv(
      {x.data, out.data, nullptr, layer.weights.as<int16_t>(), layer.scales.as<ChannelScale>(),
       x.height, x.width, out.height, out.width, 0, x.channels, x.pitch, layer.shape.kernel,
       layer.shape.stride, layer.activation},
      stream));
}

}  // namespace samebits
