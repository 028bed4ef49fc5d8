#include "training/ssimulacra2.h"

#include <algorithm>
#include <vector>

#include "base/cpu.h"
#include "training/ssimulacra2_kernel.h"

namespace samebits {
namespace {

// Hands out planes one behind the other, and counts.
class Places {
 public:
  // Without a base, only counts: planes are null.
  explicit Places(float* base) : base_(base) {}

  float* plane(size_t floats) {
    float* const place = base_ == nullptr ? nullptr : base_ + floats_;
    floats_ += floats;
    return place;
  }
  void planes(float* (&three)[3], size_t floats) {
    for (float*& place : three) place = plane(floats);
  }
  size_t floats() const { return floats_; }

 private:
  float* base_;
  size_t floats_ = 0;
};

Ssimulacra2Planes place_planes(int height, int width, Places& places) {
  Ssimulacra2Planes planes{};
  const auto rounded = [](int n) { return (n + kPlaneFloats - 1) / kPlaneFloats * kPlaneFloats; };
  const size_t first = static_cast<size_t>(height) * rounded(width);
  for (float*(*three)[3] : {&planes.color_x, &planes.color_x_hat, &planes.color_gradient})
    places.planes(*three, first);
  for (float** one : {&planes.mean_x, &planes.mean_x_hat, &planes.squares, &planes.differences})
    *one = places.plane(first);
  planes.rows = places.plane(static_cast<size_t>(kBlurRows) * (rounded(width) + kPlaneFloats));
  while (planes.scales < kSsimulacra2Scales && std::min(height, width) >= kSsimulacra2MinSide) {
    Ssimulacra2Scale& scale = planes.scale[planes.scales++];
    scale.height = height;
    scale.width = width;
    scale.stride = rounded(width);
    const size_t floats = static_cast<size_t>(height) * scale.stride;
    for (float*(*three)[3] : {&scale.linear_x, &scale.linear_x_hat, &scale.gradient})
      places.planes(*three, floats);
    height = (height + 1) / 2;
    width = (width + 1) / 2;
  }
  return planes;
}

double picture_sum(const Ssimulacra2Job& job) {
#if defined(SAMEBITS_HAVE_AVX512) && !defined(SAMEBITS_EMULATE_AVX512)
  if (vector_set() == VectorSet::avx512) return ssimulacra2_picture_avx512(job);
#endif
#ifdef SAMEBITS_HAVE_AVX2
  if (vector_set() != VectorSet::none) return ssimulacra2_picture_avx2(job);
#endif
  return ssimulacra2_picture_scalar(job);
}

}  // namespace

void ssimulacra2_sums(FloatPictures<const float> x, FloatPictures<const float> x_hat,
                      FloatPictures<float> gradient, int height, int width,
                      const Ssimulacra2Weights& weights, std::span<double> sums) {
  Places count(nullptr);
  place_planes(height, width, count);
  std::vector<float> floats(count.floats());
  Places places(floats.data());
  Ssimulacra2Job job{place_planes(height, width, places), x, x_hat, gradient, &weights};
  for (double& sum : sums) {
    sum = picture_sum(job);
    job.x.data += x.picture;
    job.x_hat.data += x_hat.picture;
    if (gradient.data != nullptr) job.gradient.data += gradient.picture;
  }
}

}  // namespace samebits
