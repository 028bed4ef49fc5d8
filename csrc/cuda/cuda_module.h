// The CUDA module (_cuda.so) as the core sees it: opened at the first question.
#pragma once

#include <string>

#include "cuda/interface.h"

namespace samebits {

struct CudaModule {
  CudaDeviceCountFunction device_count;
  CudaCurrentDeviceFunction current_device;
  CudaConvFunction conv2d;
  CudaOpenFunction open;
  CudaCloseFunction close;
  CudaDecodeFunction decode;
  CudaReleaseFunction release;
  CudaDownloadFunction download;
};

// Null if there is no module beside this library, or no device; `why`, if given, says what is
// missing.
const CudaModule* cuda_module(std::string* why = nullptr);

// Error(device_error) unless there is one.
const CudaModule& require_cuda_module();

// Error for anything but CudaStatus::done.
void check_cuda(const CudaResult& result);

}  // namespace samebits
