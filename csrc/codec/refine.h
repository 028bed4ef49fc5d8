// Discrete refinement (requirement R5): moves latents so that the file costs less bits for its
// distortion. Encoder only; whatever comes out is coded as any other latents are.
#pragma once

#include <cstdint>

#include "codec/entropy_model.h"
#include "codec/limits.h"
#include "codec/model.h"
#include "codec/transforms.h"

namespace samebits {

inline constexpr int kMaxRefineRounds = 1000;

// What is coded, before it is quantized: y as the analysis gives it, and the symbols of z.
struct SourceLatents {
  Tensor<int16_t> y;
  Tensor<int32_t> z_symbols;
};

// How much a squared error counts, of every pixel, in 1/256; dense rows as the picture's.
struct ErrorWeights {
  const uint16_t* q8 = nullptr;  // null: 256 everywhere
  int most = 256;                // the largest of them
};

// What is coded is the best of the analysis' own latents, those given, and those found.
struct RefineOptions {
  const SourceLatents* given = nullptr;  // the search begins there, if there is one
  int rounds = 0;                        // forward and backward passes; 0: no refinement
  int64_t lmbda_q24 = 0;                 // as Model::lmbda_q24; 0: the model's own for the quality
  ErrorWeights weights;
  bool keep_given = false;  // code the latents given without a look at others
};

// Bits and distortion as one number, in 1/65536 bit.
int64_t weighed_q16(uint64_t bits_q16, int64_t squared_error, int64_t lmbda_q24);

// The lambda to use. Error(invalid_argument) if the model has none and none is given.
int64_t lmbda_of(const Model& model, int quality, const RefineOptions& options);

// Latents to code in place of `y`: those of the round that cost least, which may be `y` itself.
Tensor<int16_t> refine_latents(const Model& model, const PictureView& picture, int quality,
                               const Schedule& schedule, const HyperInformation& hyper,
                               const Tensor<int16_t>& y, const RefineOptions& options);

// Bytes that the search holds at most besides y and the hyper information.
int64_t refine_bytes(const Model& model, const LatentSizes& sizes, const Schedule& schedule);

}  // namespace samebits
