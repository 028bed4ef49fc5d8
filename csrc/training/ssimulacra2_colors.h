// Between pixels, light and opponent colors, back and forth. For the kernels of S alone.
#pragma once

#include "training/ssimulacra2_kernel.h"
#include "training/ssimulacra2_vectors.h"

namespace samebits {
namespace {

constexpr float kAbsorbance[3][3] = {
    {0.3f, 0.622f, 0.078f},
    {0.23f, 0.692f, 0.078f},
    {0.24342268924547819f, 0.20476744424496821f, 0.5518098665095536f},
};
constexpr float kAbsorbanceBias = 0.0037930732552754493f;
constexpr float kLinearEnd = 0.04045f;
constexpr float kGrey = 0.45f;  // taken off Y, so that squares are small; S does not change

inline ptrdiff_t row_of(const Ssimulacra2Scale& scale, int y) {
  return y * static_cast<ptrdiff_t>(scale.stride);
}

// 0 .. 1 of a pixel. NaN becomes 0.
inline Floats clamped(Floats pixel) {
  const Floats low = where(pixel > 0.0f, pixel);
  return select(low < 255.0f, low, all(255)) * (1 / 255.0f);
}

inline void read_row(const float* from, ptrdiff_t distance, int width, int stride, float* line) {
  for (int x = 0; x < width; ++x) line[x] = from[x * distance];
  for (int x = width; x < stride; ++x) line[x] = 0;
}

inline void read_light(const Ssimulacra2Scale& scale, const FloatPictures<const float>& picture,
                       float* const* planes, float* line) {
  for (int y = 0; y < scale.height; ++y) {
    for (int c = 0; c < 3; ++c) {
      read_row(picture.data + c * picture.channel + y * picture.row, picture.column, scale.width,
               scale.stride, line);
      float* const to = planes[c] + row_of(scale, y);
      for (int x = 0; x < scale.stride; x += kLanes) {
        const Floats v = clamped(load(line + x));
        const Floats t = (v + 0.055f) * (1 / 1.055f), fifth = root<5>(t);
        store(to + x, select(v <= kLinearEnd, v * (1 / 12.92f), t * t * fifth * fifth));
      }
    }
  }
}

// From the gradient with respect to light to that with respect to pixels.
inline void write_gradient(const Ssimulacra2Scale& scale, const FloatPictures<const float>& picture,
                           const FloatPictures<float>& gradient, float* line) {
  for (int y = 0; y < scale.height; ++y) {
    for (int c = 0; c < 3; ++c) {
      read_row(picture.data + c * picture.channel + y * picture.row, picture.column, scale.width,
               scale.stride, line);
      const float* const light = scale.linear_x_hat[c] + row_of(scale, y);
      const float* const from = scale.gradient[c] + row_of(scale, y);
      for (int x = 0; x < scale.stride; x += kLanes) {
        const Floats pixel = load(line + x), v = clamped(pixel);
        const Floats slope =
            select(v <= kLinearEnd, all(1 / 12.92f), 2.4f * load(light + x) / (v + 0.055f));
        const Ints inside = (pixel >= 0.0f) & (pixel <= 255.0f);
        store(line + x, where(inside, load(from + x) * slope * (1 / 255.0f)));
      }
      float* const to = gradient.data + c * gradient.channel + y * gradient.row;
      for (int x = 0; x < scale.width; ++x) to[x * gradient.column] = line[x];
    }
  }
}

// Means of 2x2; at odd ends, of those that are there.
inline void halve(const Ssimulacra2Scale& from, const Ssimulacra2Scale& to, const float* plane,
                  float* half) {
  const int pairs = from.width / 2;
  for (int y = 0; y < to.height; ++y) {
    const float* const upper = plane + row_of(from, 2 * y);
    const float* const lower = 2 * y + 1 < from.height ? upper + from.stride : upper;
    float* const out = half + row_of(to, y);
    for (int x = 0; x < pairs; ++x)
      out[x] = 0.25f * ((upper[2 * x] + lower[2 * x]) + (upper[2 * x + 1] + lower[2 * x + 1]));
    for (int x = pairs; x < to.width; ++x) out[x] = 0.5f * (upper[2 * x] + lower[2 * x]);
    for (int x = to.width; x < to.stride; ++x) out[x] = 0;
  }
}

// Adds to the gradient of a scale what comes from the next one.
inline void add_from_half(const Ssimulacra2Scale& from, const Ssimulacra2Scale& to, int channel) {
  const int pairs = to.width / 2;
  for (int y = 0; y < to.height; ++y) {
    const bool alone = y == to.height - 1 && to.height % 2 == 1;
    const float share = alone ? 0.5f : 0.25f;
    const float* const in = from.gradient[channel] + row_of(from, y / 2);
    float* const out = to.gradient[channel] + row_of(to, y);
    for (int x = 0; x < pairs; ++x) {
      out[2 * x] += share * in[x];
      out[2 * x + 1] += share * in[x];
    }
    for (int x = pairs; x < from.width; ++x) out[2 * x] += 2 * share * in[x];
  }
}

inline void opponent_colors(const Ssimulacra2Scale& scale, float* const* linear,
                            float* const* color) {
  const ptrdiff_t floats = row_of(scale, scale.height);
  for (ptrdiff_t i = 0; i < floats; i += kLanes) {
    const Floats r = load(linear[0] + i), g = load(linear[1] + i), b = load(linear[2] + i);
    Floats cone[3];
    for (int c = 0; c < 3; ++c) {
      cone[c] = root<3>(kAbsorbance[c][0] * r + kAbsorbance[c][1] * g + kAbsorbance[c][2] * b +
                        kAbsorbanceBias);
    }
    const Floats y = 0.5f * (cone[0] + cone[1]);
    store(color[0] + i, 7.0f * (cone[0] - cone[1]));
    store(color[1] + i, y - kGrey);
    store(color[2] + i, cone[2] - y);
  }
}

// From the gradient with respect to opponent colors to that with respect to light.
inline void opponent_gradient(const Ssimulacra2Scale& scale, float* const* color,
                              float* const* color_gradient) {
  const ptrdiff_t floats = row_of(scale, scale.height);
  for (ptrdiff_t i = 0; i < floats; i += kLanes) {
    const Floats x = load(color[0] + i) * (1 / 14.0f), y = load(color[1] + i) + kGrey;
    const Floats cone[3] = {y + x, y - x, load(color[2] + i) + y};
    const Floats gx = 7.0f * load(color_gradient[0] + i), gb = load(color_gradient[2] + i);
    const Floats gy = 0.5f * (load(color_gradient[1] + i) - gb);
    const Floats of_cone[3] = {gy + gx, gy - gx, gb};
    Floats absorbed[3];
    for (int c = 0; c < 3; ++c) absorbed[c] = of_cone[c] / (3.0f * cone[c] * cone[c]);
    for (int c = 0; c < 3; ++c) {
      store(scale.gradient[c] + i, kAbsorbance[0][c] * absorbed[0] +
                                       kAbsorbance[1][c] * absorbed[1] +
                                       kAbsorbance[2][c] * absorbed[2]);
    }
  }
}

}  // namespace
}  // namespace samebits
