#include "nn/adjoint.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/fixed_point.h"
#include "base/threads.h"
#include "base/value_range.h"
#include "nn/requantize.h"
#include "nn/row_operations.h"

namespace samebits {
namespace {

constexpr int kLargest = 32767;
// Sums of magnitudes of weights stay below this, so that sums of products stay below 2^31.
constexpr int64_t kMostWeight = 65535;
constexpr int kFinestWeight = 62;

RowWindow whole(const Tensor<int16_t>& x) {
  return {x.data.data(), 0, x.height, x.height, x.width};
}

int largest_magnitude(const Tensor<int16_t>& x) {
  if (x.data.empty()) return 0;
  const auto [least, most] = range_of(std::span<const int16_t>(x.data));
  return std::max(-int{least}, int{most});
}

// v * 2^-shift, rounded, for shifts of either sign.
int64_t scaled(int64_t v, int shift) {
  return shift >= 0 ? round_shift(v, std::min(shift, 62)) : v * (int64_t{1} << -shift);
}

// Smallest exponent at which sums of values of these magnitudes and exponents fit, but none that is
// finer than both.
int exponent_of_sum(int most_a, int exponent_a, int most_b, int exponent_b) {
  int exponent = std::min(exponent_a, exponent_b);
  const auto at = [&](int most, int own) {
    const int up = own - exponent;
    return up > 32 && most > 0 ? int64_t{1} << 40 : int64_t{most} << std::clamp(up, 0, 32);
  };
  const auto down = [&](int most, int own) {
    return own >= exponent ? at(most, own) : (int64_t{most} >> std::min(exponent - own, 32)) + 1;
  };
  while (down(most_a, exponent_a) + down(most_b, exponent_b) > kLargest) ++exponent;
  return exponent;
}

int64_t shifted(int16_t v, int down) {
  return down > 0 ? (v + (int64_t{1} << (down - 1))) >> down : int64_t{v} * (int64_t{1} << -down);
}

void add(Gradient&& g, std::optional<Gradient>& into) {
  if (!into) {
    into = std::move(g);
    return;
  }
  const int exponent = exponent_of_sum(largest_magnitude(into->values), into->exponent,
                                       largest_magnitude(g.values), g.exponent);
  const int down_a = std::clamp(exponent - into->exponent, -32, 32);
  const int down_b = std::clamp(exponent - g.exponent, -32, 32);
  int16_t* a = into->values.data.data();
  const int16_t* b = g.values.data.data();
  parallel_for(static_cast<int64_t>(g.values.data.size()), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      a[i] = static_cast<int16_t>(shifted(a[i], down_a) + shifted(b[i], down_b));
    }
  });
  into->exponent = exponent;
}

}  // namespace

Adjoint::Adjoint(const Network& network) : network_(network) {
  for (const Network::Operation& op : network.operations_) {
    if (op.opcode == Network::Opcode::lut) {
      fail(ErrorKind::invalid_argument, "no gradient is known for a network with a table");
    }
  }
  for (const ConvLayer& layer : network.layers_) {
    if (layer.stride != 1) {
      fail(ErrorKind::invalid_argument, "no gradient is known for a convolution with a stride");
    }
    transposed_.push_back(transpose(layer));
  }
  reach_ = reach_in(network);
}

int Adjoint::reach_in(const Network& network) {
  // How far a 3 x 3 convolution reaches, in positions of the input, depends on where it stands.
  constexpr int64_t kOne = 720720 << 4;  // what the usual factors divide
  std::vector<int64_t> position(network.values_.size(), kOne), reach(network.values_.size(), 0);
  for (size_t n = 0; n < network.operations_.size(); ++n) {
    const Network::Operation& op = network.operations_[n];
    position[n + 1] = position[op.src];
    reach[n + 1] = reach[op.src];
    if (op.opcode == Network::Opcode::shuffle) position[n + 1] /= op.factor;
    if (op.opcode == Network::Opcode::unshuffle) position[n + 1] *= op.factor;
    if (op.src2 >= 0) reach[n + 1] = std::max(reach[n + 1], reach[op.src2]);
    if (op.opcode == Network::Opcode::conv && network.layers_[op.layer].kernel == 3) {
      reach[n + 1] += position[n + 1];
    }
  }
  return static_cast<int>((reach.back() + kOne - 1) / kOne);
}

Adjoint::Transposed Adjoint::transpose(const ConvLayer& layer) {
  const int k = layer.kernel, in = layer.depthwise ? 1 : layer.in_channels;
  const int out = layer.out_channels, taps = k * k;
  // Weight of output o, tap t, input i, with the layer's multiplier and shift in it.
  const auto weight = [&](int o, int t, int i, int precision) {
    const int64_t w = layer.weight[(int64_t{o} * taps + t) * in + i];
    return scaled(w * layer.multiplier[o], layer.shift[o] - precision);
  };
  // The finest precision at which every weight and every sum of magnitudes fits. A weight's
  // magnitude is below 2^(31 - shift), which bounds the precision to begin with.
  int precision = kFinestWeight;
  for (int o = 0; o < out; ++o) {
    precision = std::min(precision, layer.shift[o] + kFinestWeight - 32);
  }
  std::vector<int64_t> sums(layer.in_channels);
  const auto fits = [&] {
    std::fill(sums.begin(), sums.end(), 0);
    for (int o = 0; o < out; ++o) {
      for (int t = 0; t < taps; ++t) {
        for (int i = 0; i < in; ++i) {
          const int64_t w = std::abs(weight(o, t, i, precision));
          if (w > kLargest) return false;
          int64_t& sum = sums[layer.depthwise ? o : i];
          if ((sum += w) > kMostWeight) return false;
        }
      }
    }
    return true;
  };
  while (!fits()) --precision;

  Transposed result;
  ConvLayer& t = result.layer;
  t.in_channels = out;
  t.out_channels = layer.in_channels;
  t.kernel = k;
  t.depthwise = layer.depthwise;
  t.weight.resize(layer.weight.size());
  for (int o = 0; o < out; ++o) {
    for (int tap = 0; tap < taps; ++tap) {
      for (int i = 0; i < in; ++i) {
        const int turned = taps - 1 - tap;
        const int64_t place =
            layer.depthwise ? int64_t{o} * taps + turned : (int64_t{i} * taps + turned) * out + o;
        t.weight[place] = static_cast<int16_t>(weight(o, tap, i, precision));
      }
    }
  }
  t.multiplier.assign(t.out_channels, 1);
  t.shift.assign(t.out_channels, kMinShift);
  t.in_lo = -kLargest;
  t.in_hi = kLargest;
  t.algorithm = ConvAlgorithm::direct;
  t.prepare();
  result.exponent = -precision;
  result.most = *std::max_element(sums.begin(), sums.end());
  return result;
}

Adjoint::Pass Adjoint::forward(const Tensor<int16_t>& in) const {
  const std::vector<Network::Size> sizes = network_.value_sizes(in.height, in.width);
  const size_t operations = network_.operations_.size();
  std::vector<size_t> last_reader(sizes.size(), 0);
  for (size_t n = 0; n < operations; ++n) {
    const Network::Operation& op = network_.operations_[n];
    last_reader[op.src] = n;
    if (op.src2 >= 0) last_reader[op.src2] = n;
  }
  Pass pass;
  pass.negative.resize(operations);
  std::vector<Tensor<int16_t>> values(sizes.size());
  const auto value = [&](int number) -> const Tensor<int16_t>& {
    return number == 0 ? in : values[number];
  };
  for (size_t n = 0; n < operations; ++n) {
    const Network::Operation& op = network_.operations_[n];
    const int out = static_cast<int>(n) + 1;
    Tensor<int16_t> result(sizes[out].height, sizes[out].width, network_.values_[out].channels);
    network_.run_stage({op.opcode, op.src, op.src2, out, op.layer, -1, op.factor, op.lo, op.hi},
                       whole(value(op.src)), op.src2 < 0 ? RowWindow{} : whole(value(op.src2)), 0,
                       result.height, result.data.data());
    if (op.opcode == Network::Opcode::conv && network_.layers_[op.layer].leaky >= 0) {
      std::vector<uint8_t>& negative = pass.negative[n];
      negative.resize(result.data.size());
      parallel_for(static_cast<int64_t>(negative.size()), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) negative[i] = result.data[i] < 0;
      });
    }
    values[out] = std::move(result);
    for (const int read : {op.src, op.src2}) {
      if (read > 0 && last_reader[read] == n) values[read] = {};
    }
  }
  pass.out = std::move(values.back());
  return pass;
}

Gradient Adjoint::backward(const Pass& pass, Gradient out) const {
  std::vector<std::optional<Gradient>> gradients(network_.values_.size());
  gradients.back() = std::move(out);
  for (int n = static_cast<int>(network_.operations_.size()) - 1; n >= 0; --n) {
    const Network::Operation& op = network_.operations_[n];
    if (!gradients[n + 1]) continue;  // nothing reads the value
    Gradient g = std::move(*gradients[n + 1]);
    gradients[n + 1].reset();
    switch (op.opcode) {
      case Network::Opcode::conv:
        add(through_convolution(n, pass, std::move(g)), gradients[op.src]);
        break;
      case Network::Opcode::add:
        add(Gradient(g), gradients[op.src]);
        add(std::move(g), gradients[op.src2]);
        break;
      case Network::Opcode::shuffle:
      case Network::Opcode::unshuffle: {
        const bool up = op.opcode == Network::Opcode::shuffle;
        const Tensor<int16_t>& x = g.values;
        const int f = op.factor;
        Tensor<int16_t> back = up ? Tensor<int16_t>(x.height / f, x.width / f, x.channels * f * f)
                                  : Tensor<int16_t>(x.height * f, x.width * f, x.channels / f / f);
        (up ? unshuffle_rows : shuffle_rows)(whole(x), x.channels, f, 0, back.height,
                                             back.data.data());
        add({std::move(back), g.exponent}, gradients[op.src]);
        break;
      }
      case Network::Opcode::clamp:
        add(std::move(g), gradients[op.src]);
        break;
      case Network::Opcode::lut:
        break;  // the constructor refused it
    }
  }
  return std::move(*gradients[0]);
}

Gradient Adjoint::through_convolution(int op, const Pass& pass, Gradient out) const {
  const int number = network_.operations_[op].layer;
  const std::vector<uint8_t>& negative = pass.negative[op];
  if (!negative.empty()) {
    const int leaky = network_.layers_[number].leaky;
    int16_t* values = out.values.data.data();
    parallel_for(static_cast<int64_t>(negative.size()), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        values[i] = static_cast<int16_t>(negative[i] ? values[i] >> leaky : values[i]);
      }
    });
  }
  const Transposed& transposed = transposed_[number];
  const int64_t most = transposed.most * largest_magnitude(out.values);
  int down = 0;  // as little as keeps every result in 16 bits
  while ((most >> down) >= kLargest) ++down;
  ConvLayer layer = transposed.layer;
  layer.rescale(down == 0 ? 2 : 1, std::max(down, kMinShift));
  Tensor<int16_t> in(out.values.height, out.values.width, layer.out_channels);
  conv2d(layer, out.values.data.data(), in.height, in.width, in.data.data());
  return {std::move(in), out.exponent + transposed.exponent + down};
}

int64_t Adjoint::bytes(const Network& network, int height, int width) {
  // Of each operation: its value or gradient, and the signs. More than what lives at a time.
  const std::vector<Network::Size> sizes = network.value_sizes(height, width);
  int64_t signs = 0, largest = 0;
  for (size_t n = 0; n < network.operations_.size(); ++n) {
    const Network::Operation& op = network.operations_[n];
    const int64_t values =
        int64_t{sizes[n + 1].height} * sizes[n + 1].width * network.values_[n + 1].channels;
    if (op.opcode == Network::Opcode::conv && network.layers_[op.layer].leaky >= 0) {
      signs += values;
    }
    largest = std::max(largest, values);
  }
  return signs + 4 * largest * int64_t{sizeof(int16_t)};
}

}  // namespace samebits
