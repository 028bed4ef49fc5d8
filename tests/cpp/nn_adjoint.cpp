// Gradients by the adjoint network: exact where they can be, near the true ones in a whole network,
// and the same for every target and thread count.
#include <cmath>
#include <vector>

#include "base/threads.h"
#include "check.h"
#include "codec_tiny_model.h"
#include "nn/adjoint.h"
#include "nn/target.h"
#include "weights_builder.h"

using namespace samebits;

namespace {

double value(const Gradient& g, int row, int column, int channel) {
  return std::ldexp(g.values.at(row, column)[channel], g.exponent);
}

// One layer that multiplies by its weights alone: its gradient is the weights, exactly.
void gradient_of_a_layer(bool depthwise) {
  Random random(depthwise ? 1 : 2);
  constexpr int kIn = 5;
  const int out = depthwise ? kIn : 3, per_output = depthwise ? 1 : kIn;
  ConvLayer layer;
  layer.in_channels = kIn;
  layer.out_channels = out;
  layer.kernel = 3;
  layer.depthwise = depthwise;
  for (int i = 0; i < out * 9 * per_output; ++i) {
    layer.weight.push_back(static_cast<int16_t>(random.between(-50, 50)));
  }
  layer.bias.assign(out, 7);
  layer.multiplier.assign(out, 2);
  layer.shift.assign(out, 1);
  WeightsBuilder builder;
  builder.add_layer("net.0", layer);
  builder.add("net.program", "I32", {1, 8},
              std::vector<int32_t>{1, 1, 0, -1, 0, 3 * 16 + 1, -1, depthwise});
  const Network network = Network::load(builder.file(), "net", kIn, -100, 100);
  const Adjoint adjoint(network);
  CHECK(adjoint.reach() == 1);
  Tensor<int16_t> in(4, 5, kIn);
  const Adjoint::Pass pass = adjoint.forward(in);
  CHECK(pass.out.data == network.run(in).data);
  for (int o = 0; o < out; ++o) {
    Gradient one{Tensor<int16_t>(4, 5, out), 0};
    one.values.at(1, 2)[o] = 1;
    const Gradient g = adjoint.backward(pass, one);
    for (int row = 0; row < 4; ++row) {
      for (int column = 0; column < 5; ++column) {
        for (int i = 0; i < kIn; ++i) {
          // Output (1, 2) reads input (row, column) by this tap.
          const int ky = row - 1 + 1, kx = column - 2 + 1;
          const bool reads = ky >= 0 && ky < 3 && kx >= 0 && kx < 3 && (!depthwise || i == o);
          const int64_t place = ((int64_t{o} * 3 + ky) * 3 + kx) * per_output + (depthwise ? 0 : i);
          CHECK(value(g, row, column, i) == (reads ? layer.weight[place] : 0));
        }
      }
    }
  }
}

// A residual block and an upsampling layer, with values that no clamp changes.
Network small_synthesis() {
  Random random(4);
  WeightsBuilder builder;
  const auto layer = [&](int number, int in, int out, int kernel, bool depthwise, int leaky) {
    ConvLayer l;
    l.in_channels = in;
    l.out_channels = out;
    l.kernel = kernel;
    l.depthwise = depthwise;
    const int inputs = kernel * kernel * (depthwise ? 1 : in);
    for (int i = 0; i < out * inputs; ++i) {
      l.weight.push_back(static_cast<int16_t>(random.between(-200, 200)));
    }
    for (int o = 0; o < out; ++o) {
      l.bias.push_back(static_cast<int32_t>(random.between(-20000, 20000)));
      l.multiplier.push_back(static_cast<int32_t>(random.between(20000, 30000)));
      l.shift.push_back(15 + (inputs > 8 ? 8 : 7));
    }
    builder.add_layer("net." + std::to_string(number), l);
    return std::vector<int32_t>{number, kernel * 16 + 1, leaky, depthwise};
  };
  std::vector<int32_t> program;
  const auto row = [&](std::vector<int32_t> head, const std::vector<int32_t>& rest) {
    program.insert(program.end(), head.begin(), head.end());
    program.insert(program.end(), rest.begin(), rest.end());
  };
  row({1, 1, 0, -1}, layer(0, 6, 12, 1, false, 3));
  row({1, 1, 1, -1}, layer(1, 12, 12, 3, true, -1));
  row({1, 1, 1, -1}, layer(2, 12, 6, 1, false, -1));
  row({2, 1, 0, 1}, {-32000, 32000, 0, 0});
  row({1, 2, 1, -1}, layer(3, 6, 12, 3, false, 2));
  row({4, 2, 2, -1}, {2, 0, 0, 0});
  row({5, 2, 2, -1}, {-32000, 32000, 0, 0});
  builder.add("net.program", "I32", {7, 8}, program);
  return Network::load(builder.file(), "net", 6, -2000, 2000);
}

// <J v, w> = <v, J^T w>, with J v from two forward passes.
void gradient_of_a_network() {
  const Network network = small_synthesis();
  const Adjoint adjoint(network);
  CHECK(adjoint.reach() == 2);
  Random random(5);
  for (int trial = 0; trial < 40; ++trial) {
    Tensor<int16_t> in(6, 7, 6);
    for (int16_t& v : in.data) v = static_cast<int16_t>(random.between(-900, 900));
    const size_t place = random.between(0, static_cast<int64_t>(in.data.size()) - 1);
    constexpr int kStep = 60;
    Tensor<int16_t> moved = in;
    moved.data[place] = static_cast<int16_t>(in.data[place] + kStep);
    in.data[place] = static_cast<int16_t>(in.data[place] - kStep);
    const Adjoint::Pass pass = adjoint.forward(in), other = adjoint.forward(moved);
    Gradient w{Tensor<int16_t>(pass.out.height, pass.out.width, pass.out.channels), 0};
    double straight = 0;
    for (size_t i = 0; i < w.values.data.size(); ++i) {
      const int change = other.out.data[i] - pass.out.data[i];
      w.values.data[i] = static_cast<int16_t>(change);
      straight += static_cast<double>(change) * change;
    }
    const Gradient g = adjoint.backward(pass, w);
    const double back = 2 * kStep * std::ldexp(g.values.data[place], g.exponent);
    CHECK(straight > 0);
    CHECK(std::abs(straight - back) < 0.15 * straight);  // rectifiers bend between the two
  }
}

void the_same_everywhere(const Model& model) {
  Random random(6);
  Tensor<int16_t> in(9, 11, model.latent_channels);
  for (int16_t& v : in.data) v = static_cast<int16_t>(random.between(-4000, 4000));
  std::vector<int16_t> first;
  int exponent = 0;
  for (const std::string& target : targets()) {
    for (int threads : {1, 3}) {
      set_target(target);
      set_thread_count(threads);
      const Adjoint adjoint(model.synthesis);
      const Adjoint::Pass pass = adjoint.forward(in);
      Gradient out{pass.out, -3};
      const Gradient g = adjoint.backward(pass, out);
      if (first.empty()) {
        first = g.values.data;
        exponent = g.exponent;
      }
      CHECK(g.values.data == first);
      CHECK(g.exponent == exponent);
    }
  }
}

}  // namespace

int main() {
  const Model model = tiny_model();
  gradient_of_a_layer(false);
  gradient_of_a_layer(true);
  gradient_of_a_network();
  the_same_everywhere(model);
  CHECK_FAILS(invalid_argument, "stride", Adjoint{model.analysis});
  CHECK_FAILS(invalid_argument, "table", Adjoint{model.hyper_synthesis});
}
