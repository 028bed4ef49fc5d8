#include "nn/pack_weights.h"

#include <algorithm>

#include "nn/conv.h"

namespace samebits {
namespace {

void pack_dense(const ConvLayer& layer, PackedConv& packed) {
  const int taps = layer.kernel * layer.kernel;
  const int inputs = layer.in_channels;
  const int pairs = (inputs + 1) / 2;
  packed.group_weights = int64_t{2} * kOutputGroup * taps * pairs;
  packed.weight.resize(group_count(layer.out_channels) * packed.group_weights);
  const int16_t* w = layer.weight.data();
  for (int o = 0; o < layer.out_channels; ++o) {
    const int place = place_in_group(o % kOutputGroup);
    for (int t = 0; t < taps; ++t) {
      const int64_t first = int64_t{o / kOutputGroup} * taps + t;
      for (int i = 0; i < inputs; ++i)
        packed.weight[((first * pairs + i / 2) * kOutputGroup + place) * 2 + i % 2] = *w++;
    }
  }
}

void pack_depthwise(const ConvLayer& layer, PackedConv& packed) {
  constexpr int kSinglePair[1][2] = {{0, -1}};
  const int taps = layer.kernel * layer.kernel;
  const int pairs = taps == 1 ? 1 : kDepthwisePairs;
  const auto* tap_pair = taps == 1 ? kSinglePair : kDepthwisePair;
  packed.group_weights = int64_t{2} * kOutputGroup * pairs;
  packed.weight.resize(group_count(layer.out_channels) * packed.group_weights);
  for (int c = 0; c < layer.out_channels; ++c) {
    const int16_t* w = layer.weight.data() + int64_t{c} * taps;
    int16_t* group = packed.weight.data() + c / kOutputGroup * packed.group_weights;
    const int place = place_in_group(c % kOutputGroup);
    for (int n = 0; n < pairs; ++n)
      for (int side = 0; side < 2; ++side)
        if (tap_pair[n][side] >= 0)
          group[(n * kOutputGroup + place) * 2 + side] = w[tap_pair[n][side]];
  }
}

}  // namespace

GroupScale pack_scale(const int32_t* multiplier, const int32_t* shift, int channels) {
  GroupScale scale = {};
  std::fill_n(scale.shift, kOutputGroup, 32);
  scale.form = kScaleUpper;
  for (int c = 0; c < channels; ++c) {
    const int place = place_in_group(c);
    scale.multiplier[place] = multiplier[c];
    scale.shift[place] = shift[c];
    if (multiplier[c] >= int64_t{1} << (shift[c] - 1)) {
      scale.form = kScaleAny;
      continue;
    }
    scale.factor[place] = multiplier[c] << std::max(32 - shift[c], 0);
    scale.more_shift[place] = std::max(shift[c] - 32, 0);
    if (shift[c] > 32 && scale.form == kScaleUpper) scale.form = kScaleUpperShift;
  }
  return scale;
}

PackedConv pack_weights(const ConvLayer& layer) {
  PackedConv packed;
  if (layer.depthwise)
    pack_depthwise(layer, packed);
  else
    pack_dense(layer, packed);
  const int groups = group_count(layer.out_channels);
  packed.bias.resize(size_t{kOutputGroup} * groups);
  for (size_t o = 0; o < layer.bias.size(); ++o)
    packed.bias[o / kOutputGroup * kOutputGroup + place_in_group(o % kOutputGroup)] = layer.bias[o];
  packed.scale = pack_scales(layer);
  return packed;
}

AlignedVector<GroupScale> pack_scales(const ConvLayer& layer) {
  AlignedVector<GroupScale> scales;
  for (int first = 0; first < static_cast<int>(layer.multiplier.size()); first += kOutputGroup)
    scales.push_back(pack_scale(layer.multiplier.data() + first, layer.shift.data() + first,
                                std::min(kOutputGroup, layer.out_channels - first)));
  return scales;
}

}  // namespace samebits
