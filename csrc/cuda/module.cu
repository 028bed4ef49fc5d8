// The C functions of the CUDA module (interface.h). No exception leaves them.
#include <cstring>
#include <new>

#include "cuda/decoder.h"
#include "cuda/dense_conv.h"
#include "cuda/interface.h"
#include "cuda/single_conv.h"

#define SAMEBITS_EXPORT extern "C" __attribute__((visibility("default")))

namespace samebits {
namespace {

template <class Work>
void report(CudaResult* result, const char* what, const Work& work) {
  *result = {CudaStatus::done, {}};
  try {
    work();
  } catch (const CudaFailure& failure) {
    *result = result_of(failure, what);
  } catch (const std::bad_alloc&) {
    *result = {CudaStatus::out_of_memory, "out of host memory"};
  }
}

}  // namespace
}  // namespace samebits

using namespace samebits;

SAMEBITS_EXPORT int32_t samebits_cuda_interface() {
  return kCudaInterface;
}

// Devices that can run the kernels compiled here; 0 if there is no driver.
SAMEBITS_EXPORT int32_t samebits_cuda_device_count() {
  int count = 0;
  const bool usable =
      cudaGetDeviceCount(&count) == cudaSuccess && count > 0 && prepare_dense_conv() == cudaSuccess;
  cudaGetLastError();
  return usable ? count : 0;
}

SAMEBITS_EXPORT int32_t samebits_cuda_current_device() {
  int device = 0;
  return cudaGetDevice(&device) == cudaSuccess ? device : 0;
}

SAMEBITS_EXPORT void samebits_cuda_conv2d(const CudaConv* conv, CudaResult* result) {
  report(result, "convolution", [&] { run_single_conv(*conv); });
}

SAMEBITS_EXPORT CudaDecoder* samebits_cuda_open(const CudaModel* model, int32_t device,
                                                CudaResult* result) {
  CudaDecoder* decoder = nullptr;
  report(result, "loading the model", [&] { decoder = new CudaDecoder(*model, device); });
  return decoder;
}

SAMEBITS_EXPORT void samebits_cuda_close(CudaDecoder* decoder) {
  delete decoder;
}

SAMEBITS_EXPORT void samebits_cuda_decode(CudaDecoder* decoder, const CudaPicture* pictures,
                                          CudaDecoded* decoded, int32_t count) {
  decoder->decode(pictures, decoded, count);
}

SAMEBITS_EXPORT void samebits_cuda_release(int32_t device, void* memory) {
  CudaResult ignored;
  report(&ignored, "releasing", [&] {
    const CurrentDevice current(device);
    require(cudaFree(memory));
  });
}

SAMEBITS_EXPORT void samebits_cuda_download(int32_t device, void* to, const void* from,
                                            size_t bytes, CudaResult* result) {
  report(result, "download", [&] {
    const CurrentDevice current(device);
    require(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost));
  });
}
