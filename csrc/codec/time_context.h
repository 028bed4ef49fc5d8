// Latents of earlier pictures of a series as context (requirement E6; arithmetic.md 4). They change
// what the hyper-latents say, before the first step, so the step loop knows nothing of time.
#pragma once

#include <cstdint>
#include <span>

#include "codec/entropy_model.h"
#include "codec/hyper_latents.h"
#include "codec/model.h"
#include "nn/tensor.h"

namespace samebits {

inline constexpr size_t kEarlierPictures = 2;
inline constexpr int kTimeInputsBesides = 3;  // two masks and the quality

// What a picture of a series leaves to the next ones.
struct PictureLatents {
  Tensor<int16_t> y_hat, z_hat;
};

// Of the pictures before, the last one first; at most kEarlierPictures, none for a picture on its
// own.
using EarlierLatents = std::span<const PictureLatents>;

// Channels that the network `time` reads.
inline int time_inputs(const Model& model) {
  const int arrays = 1 + static_cast<int>(kEarlierPictures);  // the prediction and each y_hat
  return model.feature_channels + arrays * model.latent_channels + kTimeInputsBesides;
}

// Error(blame) if `earlier` cannot be the context of a picture with latents of height x width:
// the sizes differ, or the model has no network for it.
void check_earlier(const Model& model, EarlierLatents earlier, int height, int width,
                   ErrorKind blame);

// What the hyper-latents of a picture after `earlier` ones are coded against.
HyperExpectation expect_hyper(const Model& model, int quality, EarlierLatents earlier);

// Corrects features and prediction by what the earlier latents tell. Needs a checked `earlier` that
// is not empty. Adds rows in place, strip by strip.
void add_time_context(const Model& model, int quality, EarlierLatents earlier,
                      HyperInformation& hyper);

}  // namespace samebits
