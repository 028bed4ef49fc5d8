#include "nn/pack_weights.h"

#include <algorithm>

#include "nn/conv_kernels.h"

namespace samebits {
namespace {

std::vector<int16_t> pack_dense(const ConvLayer& layer) {
  const int taps = layer.kernel * layer.kernel;
  const int inputs = layer.in_channels;
  const int pairs = (inputs + 1) / 2;
  std::vector<int16_t> packed(size_t{2} * round_up_to_group(layer.out_channels) * taps * pairs);
  const int16_t* w = layer.weight.data();
  for (int o = 0; o < layer.out_channels; ++o) {
    for (int t = 0; t < taps; ++t) {
      const size_t group = (static_cast<size_t>(o / kOutputGroup) * taps + t) * pairs;
      for (int i = 0; i < inputs; ++i)
        packed[((group + i / 2) * kOutputGroup + o % kOutputGroup) * 2 + i % 2] = *w++;
    }
  }
  return packed;
}

// Place of a group's channel after the interleaving of 16-bit lanes.
int interleaved_place(int channel) {
  constexpr int kPlaceOfQuarter[4] = {0, 8, 4, 12};
  return kPlaceOfQuarter[channel / 4] + channel % 4;
}

std::vector<int16_t> pack_depthwise(const ConvLayer& layer) {
  const int taps = layer.kernel * layer.kernel;
  const int pairs = (taps + 1) / 2;
  std::vector<int16_t> packed(size_t{2} * round_up_to_group(layer.out_channels) * pairs);
  const int16_t* w = layer.weight.data();
  for (int c = 0; c < layer.out_channels; ++c) {
    const size_t group = static_cast<size_t>(c / kOutputGroup) * pairs;
    for (int t = 0; t < taps; ++t)
      packed[((group + t / 2) * kOutputGroup + interleaved_place(c % kOutputGroup)) * 2 + t % 2] =
          *w++;
  }
  return packed;
}

}  // namespace

PackedConv pack_weights(const ConvLayer& layer) {
  PackedConv packed;
  packed.weight = layer.depthwise ? pack_depthwise(layer) : pack_dense(layer);
  packed.bias = layer.bias;
  packed.bias.resize(round_up_to_group(layer.out_channels));
  return packed;
}

}  // namespace samebits
