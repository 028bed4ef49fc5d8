#include "nn/network_view.h"

#include <algorithm>

namespace samebits {

CudaLayer view_layer(const ConvLayer& layer, int lo, int hi) {
  return {layer.in_channels,
          layer.out_channels,
          layer.kernel,
          layer.stride,
          layer.depthwise,
          lo,
          hi,
          layer.leaky,
          layer.lo,
          layer.hi,
          layer.weight.data(),
          layer.bias.empty() ? nullptr : layer.bias.data(),
          layer.multiplier.empty() ? nullptr : layer.multiplier.data(),
          layer.shift.empty() ? nullptr : layer.shift.data()};
}

NetworkView::NetworkView(const Network& network) : in_channels_(network.in_channels_) {
  for (const Network::Value& value : network.values_) channels_.push_back(value.channels);
  last_use_.assign(channels_.size(), -1);
  for (size_t n = 0; n < network.operations_.size(); ++n) {
    const Network::Operation& op = network.operations_[n];
    last_use_[op.src] = static_cast<int32_t>(n);
    if (op.src2 >= 0) last_use_[op.src2] = static_cast<int32_t>(n);
  }
  // Zeros surround every picture.
  for (const ConvLayer& layer : network.layers_) layers_.push_back(view_layer(layer, 0, 0));
  for (const Network::Operation& op : network.operations_) {
    operations_.push_back(
        {static_cast<int32_t>(op.opcode), op.src, op.src2, op.layer, op.factor, op.lo, op.hi});
    if (op.opcode != Network::Opcode::conv) continue;
    CudaLayer& layer = layers_[op.layer];
    layer.input_lo = std::min(layer.input_lo, network.values_[op.src].lo);
    layer.input_hi = std::max(layer.input_hi, network.values_[op.src].hi);
  }
  for (const std::vector<int16_t>& lut : network.luts_) luts_.push_back(lut.data());
}

CudaNetwork NetworkView::get() const {
  return {in_channels_,
          static_cast<int32_t>(operations_.size()),
          static_cast<int32_t>(layers_.size()),
          static_cast<int32_t>(luts_.size()),
          operations_.data(),
          channels_.data(),
          last_use_.data(),
          layers_.data(),
          luts_.data()};
}

}  // namespace samebits
