// How much memory a picture needs, known from its sizes alone. Checked before memory is taken.
#pragma once

#include <cstdint>

#include "codec/hyper_latents.h"
#include "codec/limits.h"
#include "codec/model.h"

namespace samebits {

// Error(limit_exceeded), with both numbers, if the picture has too many pixels.
void check_pixels(uint32_t width, uint32_t height, const Limits& limits);

// Bytes the entropy model holds at most: state, sums, and the arrays of the largest step, with the
// coefficients of a probability per value if `values`.
int64_t step_loop_bytes(const Model& model, const LatentSizes& sizes, const Schedule& schedule,
                        bool values);

// Bytes of y_hat.
int64_t latent_bytes(const Model& model, const LatentSizes& sizes);

// Bytes of hyper-latents and their synthesis.
int64_t hyper_bytes(const Model& model, const LatentSizes& sizes);

// Bytes that a picture with `earlier` pictures before it holds besides: their latents and
// what they make expect, and the network `time` at work beside the hyper information.
int64_t earlier_bytes(const Model& model, const LatentSizes& sizes, size_t earlier);
int64_t time_bytes(const Model& model, const LatentSizes& sizes, size_t earlier);

// Error(limit_exceeded), with both numbers, if needed > limits.max_bytes.
void check_bytes(int64_t needed, const Limits& limits, const char* what);

}  // namespace samebits
