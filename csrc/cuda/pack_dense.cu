#include <algorithm>

#include "cuda/pack_dense.h"

namespace samebits {
namespace {

constexpr int kStepInputs = 64;
constexpr int kProductInputs = 32;
constexpr int kLaneBytes = 8;

struct Bounds {
  int lo = 0, hi = 0;
  bool within(int low, int high) const { return lo >= low && hi <= high; }
};

DigitKind digits_for(Bounds x, Bounds w) {
  const bool input8 = x.within(-128, 127), weight8 = w.within(-128, 127);
  if (input8 && weight8) return DigitKind::both8;
  if (input8) return DigitKind::input8;
  if (weight8) return DigitKind::weight8;
  const int limit = kNarrowOffset - 1;
  if (x.within(-kNarrowOffset, limit) && w.within(-limit, limit)) return DigitKind::narrow;
  return DigitKind::wide;
}

int digit_count(DigitKind digits) {
  switch (digits) {
    case DigitKind::narrow:
      return Digits<DigitKind::narrow>::kWeightPlanes;
    case DigitKind::wide:
    case DigitKind::input8:
      return 2;
    default:
      return 1;
  }
}

// Low digit first.
void cut_weight(DigitKind digits, int w, uint8_t* to, size_t plane_bytes) {
  if (digits == DigitKind::narrow) {
    const int high = (w + 64) >> kNarrowBits, low = w - high * (1 << kNarrowBits);
    to[0] = static_cast<uint8_t>(low);
    to[plane_bytes] = static_cast<uint8_t>(high);
    to[2 * plane_bytes] = static_cast<uint8_t>(low + high);
    return;
  }
  to[0] = static_cast<uint8_t>(w);
  if (digits == DigitKind::wide || digits == DigitKind::input8)
    to[plane_bytes] = static_cast<uint8_t>(w >> 8);
}

// Lane and byte of an input and output of a 32 x 8 product.
int place_in_tile(int input, int output) {
  const int half = input / 16, rest = input % 16;
  const int thread = rest % 8 / 2, byte = rest / 8 * 2 + rest % 2;
  return (output * 4 + thread) * kLaneBytes + half * 4 + byte;
}

}  // namespace

bool fast_shifts(const CudaLayer& layer) {
  return std::all_of(layer.shift, layer.shift + layer.out_channels,
                     [](int32_t shift) { return shift >= kShortestFastShift; });
}

ChannelScale channel_scale(const CudaLayer& layer, int o, int32_t bias, bool fast) {
  const int32_t multiplier = layer.multiplier[o], shift = layer.shift[o];
  if (!fast) return {bias, multiplier, static_cast<uint32_t>(shift), 0};
  if (shift <= 32) return {bias, multiplier << (32 - shift), 1u << 31, 0};
  return {bias, multiplier, 0, 1 << (shift - 33)};
}

std::vector<int32_t> shuffled_outputs(int out_channels, int factor) {
  const int area = factor * factor, channels = out_channels / area;
  std::vector<int32_t> from(out_channels);
  for (int place = 0; place < area; ++place)
    for (int c = 0; c < channels; ++c) from[place * channels + c] = c * area + place;
  return from;
}

PackedDense pack_dense(const CudaLayer& layer, const std::vector<int32_t>& output_of) {
  const int inputs = layer.in_channels, taps = layer.kernel * layer.kernel;
  const int64_t per_output = int64_t{taps} * inputs;
  Bounds w;
  for (int64_t n = 0; n < per_output * layer.out_channels; ++n) {
    w.lo = std::min<int>(w.lo, layer.weight[n]);
    w.hi = std::max<int>(w.hi, layer.weight[n]);
  }
  PackedDense packed;
  packed.digits = digits_for({layer.input_lo, layer.input_hi}, w);
  packed.tiles = packed_tiles(layer.out_channels);
  packed.fast = layer.shift != nullptr && fast_shifts(layer);
  packed.scales.resize(static_cast<size_t>(packed.tiles) * 8);
  const int digits = digit_count(packed.digits);
  const int steps_per_tap = (inputs + kStepInputs - 1) / kStepInputs;
  const size_t tile_bytes = size_t{32} * kLaneBytes;
  packed.weights.resize(size_t{2} * taps * steps_per_tap * packed.tiles * digits * tile_bytes);
  for (int o = 0; o < layer.out_channels; ++o) {
    const int from = output_of.empty() ? o : output_of[o];
    const int16_t* weight = layer.weight + from * per_output;
    uint32_t weight_sum = 0;
    for (int tap = 0; tap < taps; ++tap) {
      for (int i = 0; i < inputs; ++i, ++weight) {
        const size_t product = size_t{2} * (tap * steps_per_tap) + i / kProductInputs;
        uint8_t* tile =
            packed.weights.data() + (product * packed.tiles + o / 8) * digits * tile_bytes;
        cut_weight(packed.digits, *weight, tile + place_in_tile(i % kProductInputs, o % 8),
                   tile_bytes);
        weight_sum += static_cast<uint32_t>(int32_t{*weight});
      }
    }
    uint32_t bias = layer.bias ? static_cast<uint32_t>(layer.bias[from]) : 0;
    if (packed.digits == DigitKind::narrow) bias -= weight_sum * kNarrowOffset;
    packed.scales[o] = layer.multiplier
                           ? channel_scale(layer, from, static_cast<int32_t>(bias), packed.fast)
                           : ChannelScale{static_cast<int32_t>(bias), 0, 0, 0};
  }
  return packed;
}

}  // namespace samebits
