// The gradient of a number with respect to a network's input, from that with respect to its output
// (backpropagation), in integers: the same on every machine, but not exact, since every tensor has
// 16 bits and one exponent. For encoders; no decoder needs it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "nn/network.h"

namespace samebits {

// value * 2^exponent for every value.
struct Gradient {
  Tensor<int16_t> values;
  int exponent = 0;
};

class Adjoint {
 public:
  // Keeps a reference to `network`. Error(invalid_argument) if it has a convolution with a stride
  // or a table, whose gradients are not built.
  explicit Adjoint(const Network& network);

  // The output of a forward pass, and where its rectifiers saw negative values.
  struct Pass {
    Tensor<int16_t> out;
    std::vector<std::vector<uint8_t>> negative;  // [operation], empty without a rectifier
  };
  Pass forward(const Tensor<int16_t>& in) const;

  // Clamps count as the identity. `out` has the shape of the pass's output.
  Gradient backward(const Pass& pass, Gradient out) const;

  // Positions of the input, in each direction, on which a position of the output depends beyond its
  // own.
  int reach() const { return reach_; }

  // Both without the weights being transposed: the reach in a network, and bytes of a forward and a
  // backward pass over an input of this size, at most.
  static int reach_in(const Network& network);
  static int64_t bytes(const Network& network, int height, int width);

 private:
  struct Transposed {
    ConvLayer layer;   // without multiplier: its shift depends on the values
    int exponent = 0;  // its weights are the true ones times 2^-exponent
    int64_t most = 0;  // largest sum of magnitudes of an output's weights
  };

  static Transposed transpose(const ConvLayer& layer);
  Gradient through_convolution(int op, const Pass& pass, Gradient out) const;

  const Network& network_;
  std::vector<Transposed> transposed_;  // of every layer of the network
  int reach_ = 0;
};

}  // namespace samebits
