#include "nn/conv.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "nn/requantize.h"
#include "nn/target_kernels.h"
#include "nn/winograd.h"

namespace samebits {
namespace {

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
  if (in_lo < -32768 || in_hi > 32767 || in_lo > in_hi)
    refuse("input range " + std::to_string(in_lo) + ".." + std::to_string(in_hi) +
           " is not within int16");
  const int64_t inputs = depthwise ? 1 : in_channels;
  require_size(weight.size(), int64_t{out_channels} * kernel * kernel * inputs, "weight");
  if (!bias.empty()) require_size(bias.size(), out_channels, "bias");
  if (!multiplier.empty() || !shift.empty()) require_requantization(*this);
  if (kHaveVectorKernels) packed = pack_weights(*this);
  winograd = plan_winograd(*this);
  prepared = true;
}

void ConvLayer::rescale(int32_t all_multipliers, int32_t all_shifts) {
  multiplier.assign(out_channels, all_multipliers);
  shift.assign(out_channels, all_shifts);
  require_requantization(*this);
  if (kHaveVectorKernels) packed.scale = pack_scales(*this);
}

ConvLayer slice_outputs(const ConvLayer& layer, const std::vector<OutputRange>& ranges) {
  ConvLayer part;
  for (const OutputRange& range : ranges) {
    if (range.begin < 0 || range.begin >= range.end || range.end > layer.out_channels ||
        layer.depthwise)
      refuse("only a non-empty range of a dense layer's outputs can be sliced off");
    const auto append = [&](auto& to, const auto& from, int64_t per_output) {
      if (from.empty()) return;
      to.insert(to.end(), from.begin() + range.begin * per_output,
                from.begin() + range.end * per_output);
    };
    append(part.weight, layer.weight, int64_t{layer.kernel} * layer.kernel * layer.in_channels);
    append(part.bias, layer.bias, 1);
    append(part.multiplier, layer.multiplier, 1);
    append(part.shift, layer.shift, 1);
    part.out_channels += range.end - range.begin;
  }
  part.in_channels = layer.in_channels;
  part.kernel = layer.kernel;
  part.stride = layer.stride;
  part.leaky = layer.leaky;
  part.lo = layer.lo;
  part.hi = layer.hi;
  part.in_lo = layer.in_lo;
  part.in_hi = layer.in_hi;
  part.algorithm = layer.algorithm;
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

}  // namespace samebits
