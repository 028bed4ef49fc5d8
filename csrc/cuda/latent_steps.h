// What a decoder does to latents between networks and range decoder (arithmetic.md 3 and 4).
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/dense_conv.h"
#include "cuda/plain_operations.h"
#include "cuda/range_decoder.h"

namespace samebits {

inline constexpr int kMaxRects = kMaxSegments / 2;

// A rectangle of a step on the latents of a picture. Its elements are numbered position by
// position, channel by channel, from `first_element` of the step on.
struct DeviceRect {
  Lattice at;
  int32_t positions, begin, channels;
  int32_t first_position;  // of the step
  int64_t first_element;
};

struct DeviceStep {
  int32_t rects;
  DeviceRect rect[kMaxRects];
};

// State of the entropy model, and the model's tables by quality.
struct LatentState {
  const int32_t* quality;
  DeviceTensor proxy;                       // M channels; at the end y_hat
  DeviceTensor context;                     // proxy_q (M), 256 * mask (M), features (F)
  const int32_t *inverse_gain, *log2_gain;  // [qualities][M]
  int32_t proxy_shift, scale_rows;
  DeviceStatus* status;
};

struct HyperTables {
  const int32_t* quality;
  const int32_t *z_inverse_gain, *z_row;  // [qualities][Nz]
};

// CDF rows of `positions` hyper-latent positions.
cudaError_t run_hyper_rows(const HyperTables& tables, int channels, int64_t positions,
                           uint8_t* rows, cudaStream_t stream);
// Symbols to z_hat.
cudaError_t run_hyper_values(const HyperTables& tables, const int32_t* symbols,
                             const DeviceTensor& z_hat, DeviceStatus* status, cudaStream_t stream);
// `hyper` is the hyper-synthesis: features, then the prediction; it may be larger than the latents.
cudaError_t run_start_latents(const LatentState& state, const DeviceTensor& hyper,
                              cudaStream_t stream);
// delta becomes the mean; log_scale chooses rows.
cudaError_t run_parameters(const LatentState& state, const DeviceStep& step, int16_t* delta,
                           const int16_t* log_scale, uint8_t* rows, cudaStream_t stream);
// Symbols to y_hat; proxy, mask and context follow.
cudaError_t run_update(const LatentState& state, const DeviceStep& step, const int16_t* mean,
                       const int32_t* symbols, cudaStream_t stream);

}  // namespace samebits
