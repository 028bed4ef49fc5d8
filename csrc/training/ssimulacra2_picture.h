// S of one picture and its gradient. For the kernels of S alone: each includes it once.
#pragma once

#include "training/ssimulacra2_blur.h"
#include "training/ssimulacra2_colors.h"
#include "training/ssimulacra2_kernel.h"
#include "training/ssimulacra2_vectors.h"

namespace samebits {
namespace {

constexpr float kVarianceFloor = 0.0009f;
constexpr double kTiny = 1e-30;  // a mean of fourth powers up to this is 0

// What unlikeness (d) and edges (e) of a pixel are made of.
struct Point {
  Floats mean_difference, ratio, slope;  // slope: of d by the mean squared difference
  Floats unlikeness;
  Floats detail, inverse;  // color minus its mean; 1 / (1 + that of the original)
  Floats edges;            // positive: added, negative: lost
};

inline Point point_at(const Ssimulacra2Planes& p, int c, ptrdiff_t i) {
  const Floats mean_x = load(p.mean_x + i), mean_x_hat = load(p.mean_x_hat + i);
  Point at;
  at.mean_difference = mean_x - mean_x_hat;
  const Floats squared = at.mean_difference * at.mean_difference;
  // 1 - (2 cov + C) / (var + var + C) is the variance of the difference over the same sum: without
  // cancellation where the pictures agree.
  const Floats variances = load(p.squares + i) - mean_x * mean_x - mean_x_hat * mean_x_hat;
  const Floats inverse = 1.0f / (variances + kVarianceFloor);
  at.ratio = (load(p.differences + i) - squared) * inverse;
  at.slope = (1.0f - squared) * inverse;
  at.unlikeness = squared + (1.0f - squared) * at.ratio;
  at.detail = load(p.color_x_hat[c] + i) - mean_x_hat;
  const Floats detail_x = magnitude(load(p.color_x[c] + i) - mean_x);
  at.inverse = 1.0f / (1.0f + detail_x);
  at.edges = (magnitude(at.detail) - detail_x) * at.inverse;
  return at;
}

inline void blurred_moments(const Ssimulacra2Planes& p, const Ssimulacra2Scale& scale, int c) {
  const ptrdiff_t floats = row_of(scale, scale.height);
  for (ptrdiff_t i = 0; i < floats; i += kLanes) {
    const Floats x = load(p.color_x[c] + i), x_hat = load(p.color_x_hat[c] + i);
    store(p.mean_x + i, x);
    store(p.mean_x_hat + i, x_hat);
    store(p.squares + i, x * x + x_hat * x_hat);
    store(p.differences + i, (x - x_hat) * (x - x_hat));
  }
  blur(scale, p.mean_x, p.rows);
  blur(scale, p.mean_x_hat, p.rows);
  blur(scale, p.squares, p.rows);
  blur(scale, p.differences, p.rows);
}

// Means of unlikeness, added and lost edges, and then of their fourth powers.
inline void means_of_maps(const Ssimulacra2Planes& p, const Ssimulacra2Scale& scale, int c,
                          double (&means)[6]) {
  double lanes[6][kLanes] = {};
  for (int y = 0; y < scale.height; ++y) {
    Floats sums[6] = {};
    for (int x = 0; x < scale.width; x += kLanes) {
      const Point at = point_at(p, c, row_of(scale, y) + x);
      const Ints inside = first_lanes(scale.width - x);
      const Floats maps[3] = {at.unlikeness, at.edges, -at.edges};
      for (int m = 0; m < 3; ++m) {
        const Floats value = where(inside & (maps[m] > 0.0f), maps[m]), square = value * value;
        sums[m] += value;
        sums[3 + m] += square * square;
      }
    }
    for (int m = 0; m < 6; ++m)
      for (int lane = 0; lane < kLanes; ++lane) lanes[m][lane] += sums[m][lane];
  }
  for (int m = 0; m < 6; ++m) {
    double sum = 0;
    for (int lane = 0; lane < kLanes; ++lane) sum += lanes[m][lane];
    means[m] = sum / (static_cast<double>(scale.height) * scale.width);
  }
}

// The slope of a map's share of S by the map's value f is linear + cubic f^3.
struct MapSlope {
  float linear, cubic;
};

// A channel's share of S at one scale.
inline double weighted_sum(const double (&means)[6], const double (&weights)[6], double pixels,
                           MapSlope (&slopes)[3]) {
  double sum = 0;
  for (int m = 0; m < 3; ++m) {
    const double fourth = means[3 + m];
    const double root = fourth > kTiny ? __builtin_sqrt(__builtin_sqrt(fourth)) : 0;
    sum += weights[m] * means[m] + weights[3 + m] * root;
    slopes[m].linear = static_cast<float>(weights[m] / pixels);
    slopes[m].cubic =
        fourth > kTiny ? static_cast<float>(weights[3 + m] * root / fourth / pixels) : 0.0f;
  }
  return sum;
}

inline Floats slope_at(const MapSlope& slope, Floats value) {
  return where(value > 0.0f, slope.linear + slope.cubic * (value * value * value));
}

// In place of the moments, S's gradient with respect to them, for the adjoint of the blur: borders
// are doubled. What does not pass through them goes to color_gradient.
inline void moment_gradients(const Ssimulacra2Planes& p, const Ssimulacra2Scale& scale, int c,
                             const MapSlope (&slopes)[3]) {
  float* const moments[3] = {p.mean_x_hat, p.squares, p.differences};
  for (int y = 0; y < scale.height; ++y) {
    const float border = y == 0 || y == scale.height - 1 ? 2.0f : 1.0f;
    for (int x = 0; x < scale.width; x += kLanes) {
      const ptrdiff_t i = row_of(scale, y) + x;
      const Point at = point_at(p, c, i);
      const Floats by_d = slope_at(slopes[0], at.unlikeness) * border;
      const Floats by_e = slope_at(slopes[1], at.edges) - slope_at(slopes[2], -at.edges);
      const Floats direct = by_e * at.inverse * sign_of(at.detail);
      const Floats by_squares = -at.slope * at.ratio;
      const Floats by_mean = -2.0f * at.mean_difference * (1.0f - at.ratio - at.slope) -
                             2.0f * load(p.mean_x_hat + i) * by_squares;
      store(p.color_gradient[c] + i, direct);
      store(p.mean_x_hat + i, by_d * by_mean - direct * border);
      store(p.squares + i, by_d * by_squares);
      store(p.differences + i, by_d * at.slope);
    }
    for (float* const plane : moments) {
      plane[row_of(scale, y)] *= 2;
      plane[row_of(scale, y) + scale.width - 1] *= 2;
    }
  }
}

inline void color_gradient(const Ssimulacra2Planes& p, const Ssimulacra2Scale& scale, int c) {
  float* const moments[3] = {p.mean_x_hat, p.squares, p.differences};
  for (float* const plane : moments) blur(scale, plane, p.rows);
  for (int y = 0; y < scale.height; ++y) {
    const ptrdiff_t row = row_of(scale, y);
    const float border = y == 0 || y == scale.height - 1 ? 0.5f : 1.0f;
    for (float* const plane : moments) {
      plane[row] *= 0.5f;
      plane[row + scale.width - 1] *= 0.5f;
    }
    for (ptrdiff_t i = row; i < row + scale.width; i += kLanes) {
      const Floats x = load(p.color_x[c] + i), x_hat = load(p.color_x_hat[c] + i);
      const Floats through = load(p.mean_x_hat + i) + 2.0f * x_hat * load(p.squares + i) +
                             2.0f * (x_hat - x) * load(p.differences + i);
      store(p.color_gradient[c] + i, load(p.color_gradient[c] + i) + through * border);
    }
  }
}

inline double scale_sum(const Ssimulacra2Job& job, int s) {
  const Ssimulacra2Planes& p = job.planes;
  const Ssimulacra2Scale& scale = p.scale[s];
  opponent_colors(scale, scale.linear_x, p.color_x);
  opponent_colors(scale, scale.linear_x_hat, p.color_x_hat);
  double sum = 0;
  for (int c = 0; c < 3; ++c) {
    double means[6];
    MapSlope slopes[3];
    blurred_moments(p, scale, c);
    means_of_maps(p, scale, c, means);
    sum += weighted_sum(means, (*job.weights)[c][s],
                        static_cast<double>(scale.height) * scale.width, slopes);
    if (job.gradient.data == nullptr) continue;
    moment_gradients(p, scale, c, slopes);
    color_gradient(p, scale, c);
  }
  if (job.gradient.data != nullptr) opponent_gradient(scale, p.color_x_hat, p.color_gradient);
  return sum;
}

inline double picture_sum(const Ssimulacra2Job& job) {
  const Ssimulacra2Planes& p = job.planes;
  read_light(p.scale[0], job.x, p.scale[0].linear_x, p.rows);
  read_light(p.scale[0], job.x_hat, p.scale[0].linear_x_hat, p.rows);
  double sum = 0;
  for (int s = 0; s < p.scales; ++s) {
    if (s > 0) {
      const Ssimulacra2Scale &from = p.scale[s - 1], &to = p.scale[s];
      for (int c = 0; c < 3; ++c) {
        halve(from, to, from.linear_x[c], to.linear_x[c]);
        halve(from, to, from.linear_x_hat[c], to.linear_x_hat[c]);
      }
    }
    sum += scale_sum(job, s);
  }
  if (job.gradient.data == nullptr) return sum;
  for (int s = p.scales - 1; s > 0; --s)
    for (int c = 0; c < 3; ++c) add_from_half(p.scale[s], p.scale[s - 1], c);
  write_gradient(p.scale[0], job.x_hat, job.gradient, p.rows);
  return sum;
}

}  // namespace
}  // namespace samebits
