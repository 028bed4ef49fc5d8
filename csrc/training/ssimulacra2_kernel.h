// The seam between S and its kernels, which are one source (ssimulacra2_picture.h) compiled for
// several processors. Plain types only: an inline function of the standard library would be
// compiled with their instructions and could end up in the rest of the program.
#pragma once

#include "training/ssimulacra2.h"

namespace samebits {

// Rows of planes start at multiples of this, so that vectors need no tails; what is behind the
// width means nothing.
inline constexpr int kPlaneFloats = 16;

struct Ssimulacra2Scale {
  int height, width, stride;
  float* linear_x[3];      // light of the original
  float* linear_x_hat[3];  // of the picture
  float* gradient[3];      // with respect to the latter
};

// Planes for one picture. All but those of scales are as large as the first scale's.
struct Ssimulacra2Planes {
  int scales;
  Ssimulacra2Scale scale[kSsimulacra2Scales];
  float* color_x[3];  // X, Y, B - Y
  float* color_x_hat[3];
  float* color_gradient[3];
  float* mean_x;
  float* mean_x_hat;
  float* squares;      // of both, summed
  float* differences;  // squared
  float* rows;         // kBlurRows rows of the first scale, each with kPlaneFloats more
};

inline constexpr int kBlurRows = 12;

struct Ssimulacra2Job {
  Ssimulacra2Planes planes;
  FloatPictures<const float> x, x_hat;  // from this picture on
  FloatPictures<float> gradient;
  const Ssimulacra2Weights* weights;
};

double ssimulacra2_picture_scalar(const Ssimulacra2Job& job);
double ssimulacra2_picture_avx2(const Ssimulacra2Job& job);
double ssimulacra2_picture_avx512(const Ssimulacra2Job& job);

}  // namespace samebits
