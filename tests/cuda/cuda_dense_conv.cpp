// The tensor-core convolution, emulated, against the scalar definition.
#include "conv_reference.h"
#include "cuda/dense_conv.h"
#include "cuda/pack_dense.h"
#include "device_array.h"
#include "nn/network_view.h"

using namespace samebits;

namespace {

constexpr int16_t kUntouched = 0x5A5A;

struct Case {
  int weight_limit, lo, hi;
  DigitKind digits;
};
constexpr Case kCases[] = {
    {32768, -32768, 32767, DigitKind::wide},  {3641, -16383, 16383, DigitKind::wide},
    {8192, -8192, 8191, DigitKind::narrow},   {3641, -8191, 8191, DigitKind::narrow},
    {128, -32768, 32767, DigitKind::weight8}, {32768, -128, 127, DigitKind::input8},
    {128, -128, 127, DigitKind::both8}};

// Weights of a kind, with its limits among them.
ConvLayer layer_of(Random& random, const Case& kind, int in_channels, int out_channels) {
  ConvLayer layer = random_layer(random, in_channels, out_channels, false, kind.weight_limit);
  if (kind.weight_limit == 8192)
    for (int16_t& w : layer.weight) w = std::max<int16_t>(w, -8191);
  layer.weight[0] = static_cast<int16_t>(kind.weight_limit - 1);
  if (random.one_in(2))
    for (int32_t& shift : layer.shift) shift = std::max(shift, 17);
  layer.prepare();
  return layer;
}

struct Device {
  explicit Device(const PackedDense& packed) : weights(packed.weights), scales(packed.scales) {}
  DeviceArray<uint8_t> weights;
  DeviceArray<ChannelScale> scales;
};

DenseConv conv_of(const ConvLayer& layer, const PackedDense& packed, const Device& device) {
  DenseConv conv{};
  conv.weights = device.weights.data();
  conv.scales = device.scales.data();
  conv.in_pitch = pitch_of(layer.in_channels);
  conv.in_channels = layer.in_channels;
  conv.out_channels = layer.out_channels;
  conv.kernel = layer.kernel;
  conv.stride = layer.stride;
  conv.tiles = packed.tiles;
  conv.shuffle = 1;
  conv.activation = {layer.leaky, layer.lo, layer.hi, packed.fast};
  return conv;
}

ConvSegment whole(const Tensor<int16_t>& x, const ConvLayer& layer, const int16_t* from,
                  int16_t* to) {
  const int height = conv_output_size(x.height, layer.stride);
  const int width = conv_output_size(x.width, layer.stride);
  const int pitch = pitch_of(layer.out_channels);
  return {from,           nullptr, to,
          x.height,       x.width, whole_picture(width),
          height * width, 0,       layer.out_channels,
          pitch,          1,       0};
}

int16_t requantized_at(const ConvLayer& layer, int64_t sum, int o) {
  return reference_requantize(wrap(sum), layer.multiplier[o], layer.shift[o], layer.leaky, layer.lo,
                              layer.hi);
}

void check_picture(Random& random, const Case& kind) {
  const int inputs = static_cast<int>(random.between(1, 150));
  const int outputs = static_cast<int>(random.between(1, 150));
  const ConvLayer layer = layer_of(random, kind, inputs, outputs);
  const Tensor<int16_t> x =
      random_tensor(random, static_cast<int>(random.between(1, 13)),
                    static_cast<int>(random.between(1, 13)), inputs, kind.lo, kind.hi);
  const PackedDense packed = pack_dense(view_layer(layer, kind.lo, kind.hi));
  CHECK(packed.digits == kind.digits);
  const Device device(packed);
  const Tensor<int64_t> sums = reference_sums(layer, x);
  const size_t pixels = static_cast<size_t>(sums.height) * sums.width;
  const DeviceArray<int16_t> from(padded(x, random));
  const DeviceArray<int16_t> to(pixels * pitch_of(outputs));
  const Tensor<int16_t> other = random_tensor(random, sums.height, sums.width, outputs);
  const DeviceArray<int16_t> residual(padded(other, random));
  const DeviceArray<int32_t> raw(pixels * outputs);
  const bool add = random.one_in(2);

  DenseConv conv = conv_of(layer, packed, device);
  conv.segment[0] = whole(x, layer, from.data(), to.data());
  if (add) conv.segment[0].residual = residual.data();
  conv.add_lo = -9000;
  conv.add_hi = 8000;
  CHECK(run_dense_conv(conv, 1, packed.digits, nullptr) == cudaSuccess);
  const std::vector<int16_t> found = without_padding(to.values(), outputs);
  conv.sums = raw.data();
  CHECK(run_dense_conv(conv, 1, packed.digits, nullptr) == cudaSuccess);
  const std::vector<int32_t> found_sums = raw.values();
  for (size_t n = 0; n < found.size(); ++n) {
    CHECK(found_sums[n] == wrap(sums.data[n]));
    int expected = requantized_at(layer, sums.data[n], static_cast<int>(n % outputs));
    if (add) expected = std::min(8000, std::max(-9000, expected + other.data[n]));
    CHECK(found[n] == expected);
  }
}

// Shuffle at the store.
void check_shuffle(Random& random) {
  const int factor = static_cast<int>(random.between(2, 3)), channels = 8 * factor;
  const ConvLayer layer = layer_of(random, kCases[3], 24, channels * factor * factor);
  const Tensor<int16_t> x = random_tensor(random, 5, 7, 24, -8191, 8191);
  const PackedDense packed =
      pack_dense(view_layer(layer, -8191, 8191), shuffled_outputs(layer.out_channels, factor));
  const Device device(packed);
  const Tensor<int64_t> sums = reference_sums(layer, x);
  const DeviceArray<int16_t> from(padded(x, random));
  const DeviceArray<int16_t> to(sums.data.size());
  DenseConv conv = conv_of(layer, packed, device);
  conv.segment[0] = whole(x, layer, from.data(), to.data());
  conv.segment[0].width = x.width;
  conv.segment[0].out_pitch = channels;
  conv.shuffle = factor;
  if (layer.stride != 1) return;
  CHECK(run_dense_conv(conv, 1, packed.digits, nullptr) == cudaSuccess);
  const std::vector<int16_t> found = to.values();
  for (int y = 0; y < x.height * factor; ++y)
    for (int column = 0; column < x.width * factor; ++column)
      for (int c = 0; c < channels; ++c) {
        const int o = (c * factor + y % factor) * factor + column % factor;
        const int64_t sum = sums.at(y / factor, column / factor)[o];
        const size_t at = (static_cast<size_t>(y) * x.width * factor + column) * channels + c;
        CHECK(found[at] == requantized_at(layer, sum, o));
      }
}

Lattice random_lattice(Random& random, int width) {
  Lattice at{};
  for (int odd = 0; odd < 2; ++odd) {
    const int columns = static_cast<int>(random.between(odd, 3));
    if (columns == 3) at.first[odd] = 0, at.stride[odd] = 1, at.count[odd] = width;
    if (columns == 1) at.first[odd] = 0, at.stride[odd] = 2, at.count[odd] = (width + 1) / 2;
    if (columns == 2) at.first[odd] = 1, at.stride[odd] = 2, at.count[odd] = width / 2;
  }
  return at;
}

// The channels and positions of one product, and where its rows lie in the common output.
struct Part {
  Lattice at;
  int begin, count, pitch, positions;
  size_t first;
};

std::vector<Part> random_parts(Random& random, int height, int width, int channels) {
  std::vector<Part> parts(random.between(1, kMaxSegments));
  size_t first = 0;
  for (Part& part : parts) {
    part.at = random_lattice(random, width);
    part.begin = static_cast<int>(random.between(0, channels - 1));
    part.count = static_cast<int>(random.between(1, channels - part.begin));
    if (random.one_in(2)) {  // what may be written 8 at a time
      part.begin = part.begin / 8 * 8;
      part.count = std::min(part.count + 7, channels - part.begin) / 8 * 8;
      if (part.count == 0) part.begin = 0, part.count = 8;
    }
    part.pitch = part.count;
    part.positions = (height + 1) / 2 * part.at.count[0] + height / 2 * part.at.count[1];
    first = (first + 7) / 8 * 8;
    part.first = first;
    first += static_cast<size_t>(part.positions) * part.pitch;
  }
  return parts;
}

void check_part(const Part& part, const ConvLayer& layer, const Tensor<int64_t>& sums,
                const int32_t* more_bias, const int16_t* found) {
  size_t n = 0;
  for (int y = 0; y < sums.height; ++y)
    for (int i = 0; i < part.at.count[y % 2]; ++i)
      for (int c = 0; c < part.count; ++c, ++n) {
        const int x = part.at.first[y % 2] + i * part.at.stride[y % 2], o = part.begin + c;
        CHECK(found[n] == requantized_at(layer, sums.at(y, x)[o] + more_bias[o], o));
      }
}

// Some channels at some positions, several products at once, biases by quality.
void check_segments(Random& random) {
  const int channels = 90;
  ConvLayer layer = layer_of(random, kCases[random.between(0, 6)], 40, channels);
  layer.stride = 1;
  const Tensor<int16_t> x = random_tensor(random, 9, 11, 40, -128, 127);
  const PackedDense packed = pack_dense(view_layer(layer, -128, 127));
  const Device device(packed);
  const Tensor<int64_t> sums = reference_sums(layer, x);
  const DeviceArray<int16_t> from(padded(x, random));
  std::vector<int32_t> table(3 * channels);
  for (int32_t& v : table) v = static_cast<int32_t>(random.bits32() >> 8);
  const DeviceArray<int32_t> bias(table), quality(std::vector<int32_t>{2});
  const std::vector<Part> parts = random_parts(random, x.height, x.width, channels);
  const size_t size = parts.back().first + size_t(parts.back().positions) * parts.back().pitch;
  const DeviceArray<int16_t> to(std::vector<int16_t>(size + 1, kUntouched));
  DenseConv conv = conv_of(layer, packed, device);
  conv.bias_table = bias.data();
  conv.quality = quality.data();
  for (size_t n = 0; n < parts.size(); ++n) {
    const Part& part = parts[n];
    const bool whole_rows = part.begin % 8 == 0 && part.count % 8 == 0;
    conv.segment[n] = {from.data(),    nullptr,    to.data() + part.first,
                       x.height,       x.width,    part.at,
                       part.positions, part.begin, part.count,
                       part.pitch,     whole_rows, 0};
  }
  CHECK(run_dense_conv(conv, static_cast<int>(parts.size()), packed.digits, nullptr) ==
        cudaSuccess);
  const std::vector<int16_t> found = to.values();
  for (const Part& part : parts)
    check_part(part, layer, sums, table.data() + 2 * channels, found.data() + part.first);
  CHECK(found[size] == kUntouched);
}

}  // namespace

int main() {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    emulator::set_seed(seed);
    Random random(seed);
    for (const Case& kind : kCases)
      for (int n = 0; n < 3; ++n) check_picture(random, kind);
    for (int n = 0; n < 4; ++n) check_shuffle(random);
    for (int n = 0; n < 8; ++n) check_segments(random);
  }
}
