// How the squared error of the decoded picture changes with each latent, near given latents: what
// an encoder needs that searches (requirement R5). Integers, so that encoding is reproducible.
#pragma once

#include <cstdint>
#include <vector>

#include "codec/limits.h"
#include "codec/model.h"
#include "codec/refine.h"
#include "codec/transforms.h"
#include "nn/adjoint.h"

namespace samebits {

// mantissa * 2^exponent, |mantissa| < 2^31: numbers of very different sizes without floating point.
struct Number {
  int64_t mantissa = 0;
  int exponent = 0;

  Number(int64_t value, int power);
  // The value times 2^bits, rounded, at most 2^40 in magnitude.
  int64_t fixed(int bits) const;
};
Number operator*(const Number& a, const Number& b);

class DistortionGradient {
 public:
  // Keeps references to `model` and `picture`. Error(invalid_argument) if the synthesis has an
  // operation without a gradient.
  DistortionGradient(const Model& model, const PictureView& picture, ErrorWeights weights);

  struct Result {
    int64_t squared_error = 0;  // over all samples, weighed
    // d squared_error / d y_hat, [h][w][M], for the latents of a tile: values * 2^exponent.
    struct Tile {
      int top, left;
      Gradient gradient;
    };
    std::vector<Tile> tiles;
  };
  Result at(const Tensor<int16_t>& y_hat) const;

  // Of every channel: the mean over a tile's latents of the sum of the squares of the derivatives
  // of all samples, at y_hat; half the second derivative of the squared error.
  std::vector<Number> curvature(const Tensor<int16_t>& y_hat) const;

  // Bytes that both hold at most, for latents of this size.
  static int64_t bytes(const Model& model, int height, int width);

 private:
  struct Window;

  Window window(const Tensor<int16_t>& y_hat, int top, int left) const;
  Tensor<int16_t> residual(const Window& window, const Tensor<int16_t>& x_hat,
                           int64_t* squared_error) const;
  Gradient inner(const Window& window, const Gradient& gradient) const;

  const Model& model_;
  const PictureView& picture_;
  ErrorWeights weights_;
  int weight_bits_;  // the largest weight is below 2^this
  Adjoint adjoint_;
};

}  // namespace samebits
