// The operations of a network besides convolutions (arithmetic.md 2), and its last one: pixels.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace samebits {

// Activations on the device, [height][width][pitch]; channels from `channels` on mean nothing.
struct DeviceTensor {
  int16_t* data;
  int32_t height, width, channels, pitch;

  __host__ __device__ int64_t positions() const { return int64_t{height} * width; }
};

cudaError_t run_add(const DeviceTensor& a, const DeviceTensor& b, int lo, int hi,
                    const DeviceTensor& out, cudaStream_t stream);
cudaError_t run_clamp(const DeviceTensor& x, int lo, int hi, const DeviceTensor& out,
                      cudaStream_t stream);
// `table` has 65536 entries, the first for -32768.
cudaError_t run_lut(const DeviceTensor& x, const int16_t* table, const DeviceTensor& out,
                    cudaStream_t stream);
cudaError_t run_unshuffle(const DeviceTensor& x, int factor, const DeviceTensor& out,
                          cudaStream_t stream);
cudaError_t run_shuffle(const DeviceTensor& x, int factor, const DeviceTensor& out,
                        cudaStream_t stream);

// Picture out (arithmetic.md 3): the network's output is clamp(shuffle(x, factor), lo, hi).
struct PixelJob {
  DeviceTensor x;
  int32_t factor, lo, hi;
  int32_t height, width, grey;  // of the picture
  uint8_t* const* to;           // the device's: where the device finds the picture's address
};
cudaError_t run_pixels(const PixelJob& job, cudaStream_t stream);

}  // namespace samebits
