// CRC-32 of the latents on the device (arithmetic.md 4), in parallel.
//
// The register of a CRC is a polynomial, and bytes that follow multiply it by powers of x: every
// position's bytes get a CRC of their own, which is multiplied by x^(8 * bytes behind it), and all
// are added up without carries.
#pragma once

#include <cuda_runtime.h>

#include "cuda/device_memory.h"
#include "cuda/plain_operations.h"
#include "cuda/range_decoder.h"

namespace samebits {

class LatentCrc {
 public:
  LatentCrc();
  // Into status->crc, which must be 0.
  cudaError_t run(const DeviceTensor& y_hat, DeviceStatus* status, cudaStream_t stream) const;

 private:
  DeviceBuffer tables_;
};

}  // namespace samebits
