// Depthwise convolutions: each output channel reads its own input channel only.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <vector>

#include "cuda/interface.h"
#include "cuda/requantize_channel.h"

namespace samebits {

struct DepthwiseConv {
  const int16_t* x;            // [height][width][pitch]
  int16_t* out;                // [out_height][out_width][pitch]
  int32_t* sums;               // instead of `out`: [out_height][out_width][channels], or null
  const int16_t* weights;      // [k][k][pitch], pack_depthwise
  const ChannelScale* scales;  // [pitch]
  int32_t height, width, out_height, out_width;
  int32_t first_row;  // of the output, in the picture
  int32_t channels, pitch, kernel, stride;
  Activation activation;
};

struct PackedDepthwise {
  std::vector<int16_t> weights;
  std::vector<ChannelScale> scales;
  int32_t fast;
};

PackedDepthwise pack_depthwise(const CudaLayer& layer);

cudaError_t run_depthwise_conv(const DepthwiseConv& conv, cudaStream_t stream);

}  // namespace samebits
