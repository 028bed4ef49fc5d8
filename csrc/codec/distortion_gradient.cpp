#include "codec/distortion_gradient.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

#include "base/fixed_point.h"

namespace samebits {
namespace {

constexpr int kTile = 64;  // latents, in each direction
constexpr int kColors = 3;
constexpr int kPixelOffset = 128;
constexpr int kWeightOne = 256;
constexpr int kResidualBits = 6;  // |x_hat - x| is below 2^8
constexpr int kProbeBits = 12;
constexpr int64_t kMostMantissa = (int64_t{1} << 31) - 1;
constexpr int64_t kMostFixed = int64_t{1} << 40;

// A pseudorandom sign (splitmix64).
int sign_at(uint64_t place) {
  uint64_t z = (place + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (z >> 63) != 0 ? 1 : -1;
}

}  // namespace

Number::Number(int64_t value, int power) : mantissa(value), exponent(power) {
  while (std::abs(mantissa) > kMostMantissa) {
    mantissa /= 2;
    ++exponent;
  }
}

int64_t Number::fixed(int bits) const {
  const int up = exponent + bits;
  if (up <= 0) return round_shift(mantissa, std::min(-up, 62));
  const int64_t most = kMostFixed >> std::min(up, 62);
  if (std::abs(mantissa) > most) return mantissa < 0 ? -kMostFixed : kMostFixed;
  return mantissa * (int64_t{1} << std::min(up, 40));
}

Number operator*(const Number& a, const Number& b) {
  return {a.mantissa * b.mantissa, a.exponent + b.exponent};
}

// Latents of a tile and what lies around them, within the picture.
struct DistortionGradient::Window {
  int top, left, height, width;  // the tile, in latents
  int around_top, around_left;   // first latent of `y_hat`
  Tensor<int16_t> y_hat;
};

DistortionGradient::DistortionGradient(const Model& model, const PictureView& picture,
                                       ErrorWeights weights)
    : model_(model),
      picture_(picture),
      weights_(weights),
      weight_bits_(std::bit_width(static_cast<unsigned>(weights.most))),
      adjoint_(model.synthesis) {}

DistortionGradient::Window DistortionGradient::window(const Tensor<int16_t>& y_hat, int top,
                                                      int left) const {
  // A latent's gradient needs the pixels within its reach, and those the latents within theirs.
  const int around = 2 * adjoint_.reach();
  Window w;
  w.top = top;
  w.left = left;
  w.height = std::min(kTile, y_hat.height - top);
  w.width = std::min(kTile, y_hat.width - left);
  w.around_top = std::max(top - around, 0);
  w.around_left = std::max(left - around, 0);
  const int bottom = std::min(top + w.height + around, y_hat.height);
  const int right = std::min(left + w.width + around, y_hat.width);
  w.y_hat = Tensor<int16_t>(bottom - w.around_top, right - w.around_left, y_hat.channels);
  for (int row = 0; row < w.y_hat.height; ++row) {
    std::copy_n(y_hat.at(w.around_top + row, w.around_left),
                static_cast<size_t>(w.y_hat.width) * y_hat.channels, w.y_hat.at(row, 0));
  }
  return w;
}

Tensor<int16_t> DistortionGradient::residual(const Window& w, const Tensor<int16_t>& x_hat,
                                             int64_t* squared_error) const {
  Tensor<int16_t> out(x_hat.height, x_hat.width, kColors);
  const int first_row = w.around_top * kLatentStride, first_column = w.around_left * kLatentStride;
  const int rows = std::min(x_hat.height, picture_.height - first_row);
  const int columns = std::min(x_hat.width, picture_.width - first_column);
  const int tile_top = (w.top - w.around_top) * kLatentStride;
  const int tile_left = (w.left - w.around_left) * kLatentStride;
  int64_t sum = 0;
  for (int i = 0; i < rows; ++i) {
    const uint8_t* x =
        picture_.rgb +
        (static_cast<size_t>(first_row + i) * picture_.width + first_column) * kColors;
    const bool row_counts = i >= tile_top && i < tile_top + w.height * kLatentStride;
    for (int j = 0; j < columns; ++j) {
      const bool counts = row_counts && j >= tile_left && j < tile_left + w.width * kLatentStride;
      const size_t pixel = static_cast<size_t>(first_row + i) * picture_.width + first_column + j;
      const int weight = weights_.q8 == nullptr ? kWeightOne : weights_.q8[pixel];
      for (int c = 0; c < kColors; ++c) {
        const int error = x_hat.at(i, j)[c] + kPixelOffset - x[j * kColors + c];
        out.at(i, j)[c] = static_cast<int16_t>(
            round_shift(int64_t{error} * weight * (1 << kResidualBits), weight_bits_));
        if (counts) sum += int64_t{error} * error * weight;
      }
    }
  }
  *squared_error += sum / kWeightOne;
  return out;
}

Gradient DistortionGradient::inner(const Window& w, const Gradient& gradient) const {
  Gradient inner{Tensor<int16_t>(w.height, w.width, gradient.values.channels), gradient.exponent};
  for (int row = 0; row < w.height; ++row) {
    std::copy_n(gradient.values.at(w.top - w.around_top + row, w.left - w.around_left),
                static_cast<size_t>(w.width) * gradient.values.channels, inner.values.at(row, 0));
  }
  return inner;
}

DistortionGradient::Result DistortionGradient::at(const Tensor<int16_t>& y_hat) const {
  Result result;
  for (int top = 0; top < y_hat.height; top += kTile) {
    for (int left = 0; left < y_hat.width; left += kTile) {
      const Window w = window(y_hat, top, left);
      const Adjoint::Pass pass = adjoint_.forward(w.y_hat);
      // d (w e^2) = 2 w e de.
      Gradient out{residual(w, pass.out, &result.squared_error),
                   1 - kResidualBits + weight_bits_ - 8};
      result.tiles.push_back({top, left, inner(w, adjoint_.backward(pass, std::move(out)))});
    }
  }
  return result;
}

std::vector<Number> DistortionGradient::curvature(const Tensor<int16_t>& y_hat) const {
  const auto middle = [](int size) { return std::max(0, (size - kTile) / 2); };
  const Window w = window(y_hat, middle(y_hat.height), middle(y_hat.width));
  const Adjoint::Pass pass = adjoint_.forward(w.y_hat);
  // With random signs s, E (J^T s)_i^2 is the sum of squares of column i of J.
  Gradient probe{Tensor<int16_t>(pass.out.height, pass.out.width, kColors), -kProbeBits};
  for (size_t i = 0; i < probe.values.data.size(); ++i) {
    probe.values.data[i] = static_cast<int16_t>(sign_at(i) * (1 << kProbeBits));
  }
  const Gradient g = inner(w, adjoint_.backward(pass, std::move(probe)));
  const int channels = g.values.channels;
  std::vector<int64_t> sums(channels, 0);
  for (size_t i = 0; i < g.values.data.size(); ++i) {
    sums[i % channels] += int64_t{g.values.data[i]} * g.values.data[i];
  }
  const int64_t count = int64_t{w.height} * w.width;
  std::vector<Number> curvature;
  for (int64_t sum : sums) curvature.emplace_back(sum / count, 2 * g.exponent);
  return curvature;
}

int64_t DistortionGradient::bytes(const Model& model, int height, int width) {
  const int side = kTile + 4 * Adjoint::reach_in(model.synthesis);
  const int h = std::min(height, side), w = std::min(width, side);
  const int64_t gradients = int64_t{height} * width * model.latent_channels * 2;
  return gradients + Adjoint::bytes(model.synthesis, h, w);
}

}  // namespace samebits
