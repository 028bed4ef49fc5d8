// Depthwise layers and whole networks, emulated, against the scalar definition.
#include "conv_reference.h"
#include "cuda/depthwise_conv.h"
#include "cuda/network_plan.h"
#include "device_array.h"
#include "nn/network.h"
#include "nn/network_view.h"
#include "random_network.h"

using namespace samebits;

namespace {

void check_depthwise(Random& random) {
  const int channels = static_cast<int>(random.between(1, 40));
  ConvLayer layer = random_layer(random, channels, channels, true, 32768);
  if (random.one_in(2))
    for (int32_t& shift : layer.shift) shift = std::max(shift, 17);
  layer.prepare();
  const Tensor<int16_t> x = random_tensor(random, static_cast<int>(random.between(1, 9)),
                                          static_cast<int>(random.between(1, 9)), channels);
  const PackedDepthwise packed = pack_depthwise(view_layer(layer, -32768, 32767));
  const DeviceArray<int16_t> weights(packed.weights), from(padded(x, random));
  const DeviceArray<ChannelScale> scales(packed.scales);
  const Tensor<int64_t> sums = reference_sums(layer, x);
  const size_t pixels = static_cast<size_t>(sums.height) * sums.width;
  const DeviceArray<int16_t> to(pixels * pitch_of(channels));
  const DeviceArray<int32_t> raw(pixels * channels);
  DepthwiseConv conv{from.data(),
                     to.data(),
                     nullptr,
                     weights.data(),
                     scales.data(),
                     x.height,
                     x.width,
                     sums.height,
                     sums.width,
                     0,
                     channels,
                     pitch_of(channels),
                     layer.kernel,
                     layer.stride,
                     {layer.leaky, layer.lo, layer.hi, packed.fast}};
  CHECK(run_depthwise_conv(conv, nullptr) == cudaSuccess);
  const std::vector<int16_t> found = without_padding(to.values(), channels);
  conv.sums = raw.data();
  CHECK(run_depthwise_conv(conv, nullptr) == cudaSuccess);
  const std::vector<int32_t> found_sums = raw.values();
  for (size_t n = 0; n < found.size(); ++n) {
    const int o = static_cast<int>(n % channels);
    CHECK(found_sums[n] == wrap(sums.data[n]));
    CHECK(found[n] == reference_requantize(wrap(sums.data[n]), layer.multiplier[o], layer.shift[o],
                                           layer.leaky, layer.lo, layer.hi));
  }
}

void check_network(Random& random) {
  RandomNetwork made = random_network(random);
  const WeightsFile file = made.builder.file();
  const int lo = random.one_in(2) ? -32768 : -100, hi = -lo - 1;
  const Network network = Network::load(file, "net", made.in_channels, lo, hi);
  const int unit = made.unit;
  const Tensor<int16_t> x =
      random_tensor(random, unit * static_cast<int>(random.between(1, 6)),
                    unit * static_cast<int>(random.between(1, 6)), made.in_channels, lo, hi);
  const NetworkPlan plan(NetworkView(network).get(), NetworkPlan::End::activations);
  const DeviceArray<int16_t> from(padded(x, random));
  const DeviceTensor in{from.data(), x.height, x.width, x.channels, pitch_of(x.channels)};
  Arena counting(nullptr);
  plan.run(in, counting, nullptr);
  const DeviceBuffer memory(counting.bytes());
  Arena arena(memory.data());
  const DeviceTensor out = plan.run(in, arena, nullptr);
  CHECK(arena.bytes() == counting.bytes());
  const Tensor<int16_t> expected = network.run(x);
  CHECK(out.height == expected.height && out.width == expected.width);
  CHECK(out.channels == expected.channels);
  const std::vector<int16_t> found(out.data, out.data + out.positions() * out.pitch);
  CHECK(without_padding(found, out.channels) == expected.data);
}

// The clamp and shuffle at the end become part of the pixels.
void check_pixels(Random& random) {
  const int r = static_cast<int>(random.between(1, 4)), height = 5, width = 6;
  const Tensor<int16_t> x = random_tensor(random, height, width, 3 * r * r, -400, 400);
  const DeviceArray<int16_t> from(padded(x, random));
  const int rows = height * r - static_cast<int>(random.between(0, r - 1));
  const int columns = width * r - static_cast<int>(random.between(0, r - 1));
  const int grey = static_cast<int>(random.between(0, 1)), colors = grey ? 1 : 3;
  const DeviceArray<uint8_t> to(size_t(rows) * columns * colors);
  const DeviceArray<uint8_t*> place(std::vector<uint8_t*>{to.data()});
  const DeviceTensor in{from.data(), height, width, x.channels, pitch_of(x.channels)};
  CHECK(run_pixels({in, r, -128, 127, rows, columns, grey, place.data()}, nullptr) == cudaSuccess);
  const std::vector<uint8_t> found = to.values();
  for (int y = 0; y < rows; ++y)
    for (int column = 0; column < columns; ++column) {
      int color[3];
      for (int c = 0; c < 3; ++c) {
        const int v = x.at(y / r, column / r)[(c * r + y % r) * r + column % r];
        color[c] = std::min(127, std::max(-128, v)) + 128;
      }
      const uint8_t* pixel = &found[(size_t(y) * columns + column) * colors];
      if (grey) CHECK(*pixel == (color[0] + color[1] + color[2] + 1) / 3);
      for (int c = 0; !grey && c < 3; ++c) CHECK(pixel[c] == color[c]);
    }
}

}  // namespace

int main() {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    emulator::set_seed(seed);
    Random random(seed);
    for (int n = 0; n < 60; ++n) check_depthwise(random);
    for (int n = 0; n < 60; ++n) check_network(random);
    for (int n = 0; n < 20; ++n) check_pixels(random);
  }
}
