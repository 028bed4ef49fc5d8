// S, the weighted sum of SSIMULACRA 2, and its gradient: a loss of training on processors. The
// definition is samebits/learn/training/ssimulacra2_loss.py.
#pragma once

#include <cstddef>
#include <span>

namespace samebits {

inline constexpr int kSsimulacra2Scales = 6;
inline constexpr int kSsimulacra2MinSide = 8;  // pixels of a scale that takes part

// Of X, Y, B - Y; of each scale; of the means of unlikeness, added and lost edges, and then of the
// roots of their mean fourth powers.
using Ssimulacra2Weights = double[3][kSsimulacra2Scales][6];

// A batch (B, 3, H, W) of float32 in 0 .. 255, anywhere; distances are in floats.
template <class T>
struct FloatPictures {
  T* data;
  ptrdiff_t picture, channel, row, column;
};

// sums[i] is S of the i-th picture against its original. `gradient`, of S with respect to x_hat, is
// not computed if its data is null. Every picture is computed alone, in one order: its bits depend
// on nothing but itself and vector_set(). Sides are kSsimulacra2MinSide or more.
void ssimulacra2_sums(FloatPictures<const float> x, FloatPictures<const float> x_hat,
                      FloatPictures<float> gradient, int height, int width,
                      const Ssimulacra2Weights& weights, std::span<double> sums);

}  // namespace samebits
