// What the core makes of the module's answers.
#include <string>

#include "base/error.h"
#include "cuda/cuda_module.h"

namespace samebits {

const CudaModule& require_cuda_module() {
  std::string why;
  const CudaModule* module = cuda_module(&why);
  if (module == nullptr) fail(ErrorKind::device_error, "CUDA cannot be used: " + why);
  return *module;
}

void check_cuda(const CudaResult& result) {
  const std::string message = std::string("CUDA, ") + result.message;
  switch (result.status) {
    case CudaStatus::done:
      return;
    case CudaStatus::over_limit:
      fail(ErrorKind::limit_exceeded, message + "; raise max_bytes if the device has them");
    case CudaStatus::invalid_argument:
      fail(ErrorKind::invalid_argument, message);
    case CudaStatus::out_of_memory:
      fail(ErrorKind::device_error, message + "; free memory of the device or use the CPU");
    case CudaStatus::device_failed:
      fail(ErrorKind::device_error, message + "; the device cannot be used any more, use the CPU");
  }
  fail(ErrorKind::device_error, message);
}

}  // namespace samebits
