// Takes the place of the loader of _cuda.so: the emulated module is linked into the test.
#include "cuda/cuda_module.h"

extern "C" {
using namespace samebits;
int32_t samebits_cuda_device_count();
int32_t samebits_cuda_current_device();
void samebits_cuda_conv2d(const CudaConv*, CudaResult*);
CudaDecoder* samebits_cuda_open(const CudaModel*, int32_t, CudaResult*);
void samebits_cuda_close(CudaDecoder*);
void samebits_cuda_decode(CudaDecoder*, const CudaPicture*, CudaDecoded*, int32_t);
void samebits_cuda_release(int32_t, void*);
void samebits_cuda_download(int32_t, void*, const void*, size_t, CudaResult*);
}

const samebits::CudaModule* samebits::cuda_module(std::string*) {
  static const CudaModule module{samebits_cuda_device_count, samebits_cuda_current_device,
                                 samebits_cuda_conv2d,       samebits_cuda_open,
                                 samebits_cuda_close,        samebits_cuda_decode,
                                 samebits_cuda_release,      samebits_cuda_download};
  return &module;
}
