#include "codec/working_set.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "codec/context_sums.h"
#include "codec/sums_plan.h"

namespace samebits {
namespace {

// Whatever a caller allows: below this, no estimate of bytes can overflow.
constexpr int64_t kMostPixels = int64_t{1} << 40;

int64_t positions_of(const LatentSizes& sizes) {
  return int64_t{sizes.height} * sizes.width;
}

int64_t largest_step(const LatentSizes& sizes, const Schedule& schedule) {
  int64_t largest = 0;
  for (const Step& step : schedule) {
    int64_t elements = 0;
    for (const Rect& rect : step) {
      const MaskedPositions positions(sizes.height, sizes.width, rect.phase_mask);
      elements += positions.count() * rect.channels();
    }
    largest = std::max(largest, elements);
  }
  return largest;
}

}  // namespace

void check_pixels(uint32_t width, uint32_t height, const Limits& limits) {
  // Both sides are at most 2^28, so the product fits.
  const int64_t pixels = int64_t{width} * height;
  const int64_t allowed = std::min(limits.max_pixels, kMostPixels);
  if (pixels <= allowed) return;
  fail(ErrorKind::limit_exceeded, "the picture has " + std::to_string(width) + " x " +
                                      std::to_string(height) + " = " + std::to_string(pixels) +
                                      " pixels, allowed are " + std::to_string(allowed) +
                                      "; raise max_pixels if you trust it");
}

int64_t latent_bytes(const Model& model, const LatentSizes& sizes) {
  return positions_of(sizes) * model.latent_channels * int64_t{sizeof(int16_t)};
}

int64_t hyper_bytes(const Model& model, const LatentSizes& sizes) {
  const int64_t symbols = int64_t{sizes.hyper_height} * sizes.hyper_width * model.hyper_channels;
  const int64_t cropped = positions_of(sizes) * (model.feature_channels + model.latent_channels) *
                          int64_t{sizeof(int16_t)};
  return symbols * int64_t{sizeof(int32_t) + sizeof(uint8_t) + sizeof(int16_t)} + cropped +
         model.hyper_synthesis.strip_bytes(sizes.hyper_height, sizes.hyper_width);
}

int64_t earlier_bytes(const Model& model, const LatentSizes& sizes, size_t earlier) {
  const int64_t hyper = int64_t{sizes.hyper_height} * sizes.hyper_width * model.hyper_channels;
  const int64_t z_hat = hyper * int64_t{sizeof(int16_t)};
  const int64_t expected = earlier == 0 ? 0 : hyper * int64_t{sizeof(int32_t)};
  return static_cast<int64_t>(earlier) * (latent_bytes(model, sizes) + z_hat) + expected;
}

int64_t time_bytes(const Model& model, const LatentSizes& sizes, size_t earlier) {
  if (earlier == 0) return 0;
  const int64_t hyper = positions_of(sizes) * (model.feature_channels + model.latent_channels) *
                        int64_t{sizeof(int16_t)};
  return hyper + model.time->network.strip_bytes(sizes.height, sizes.width);
}

int64_t step_loop_bytes(const Model& model, const LatentSizes& sizes, const Schedule& schedule,
                        bool values) {
  const int64_t hyper = int64_t{sizeof(int16_t)} * (model.latent_channels + model.feature_channels);
  const int64_t first_pass = int64_t{kFirstPassRows + 2} * sizes.width * hyper;
  const int64_t sums = int64_t{sizeof(int32_t)} * model.context_channels;
  // Mean, row, symbol and proxy change.
  const int64_t element = sizeof(int16_t) + sizeof(uint8_t) + sizeof(int32_t) + sizeof(int16_t);
  const int64_t coefficients =
      values ? int64_t{sizeof(int16_t)} * model.values->coefficients : int64_t{0};
  return first_pass + positions_of(sizes) * (hyper + sums * plan_sums(schedule).buffers) +
         largest_step(sizes, schedule) * (element + coefficients);
}

void check_bytes(int64_t needed, const Limits& limits, const char* what) {
  if (needed <= limits.max_bytes) return;
  fail(ErrorKind::limit_exceeded,
       std::string(what) + " needs " + std::to_string(needed) + " bytes of memory, allowed are " +
           std::to_string(limits.max_bytes) + "; raise max_bytes if the machine has them");
}

}  // namespace samebits
