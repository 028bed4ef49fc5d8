// The CUDA module: plain, exact convolutions, one thread for each output value. It copies its
// operands to the device and the result back in every call; it is the definition on the GPU, not
// yet the fast version.
#include <cuda_runtime.h>

#include <cstdint>

#include "nn/cuda/conv_point.h"

namespace samebits {
namespace {

__global__ void transpose_weights(CudaConv conv, const int16_t* from, int16_t* to, int64_t count) {
  const int64_t n = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (n < count) to[transposed_place(conv, n)] = from[n];
}

__global__ void conv2d_cuda(CudaConv conv, int out_width, int64_t count) {
  const int64_t n = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (n >= count) return;
  const int o = static_cast<int>(n % conv.out_channels);
  const int64_t pixel = n / conv.out_channels;
  const int32_t sum = sum_point(conv, conv.begin + static_cast<int>(pixel / out_width),
                                static_cast<int>(pixel % out_width), o);
  if (conv.sums)
    conv.sums[n] = sum;
  else
    conv.activations[n] = requantize_point(conv, sum, o);
}

constexpr int kThreads = 256;

// Device memory that is freed at the end of the call, whatever happens.
template <class T>
class DeviceArray {
 public:
  ~DeviceArray() { cudaFree(data_); }

  cudaError_t allocate(int64_t count) { return cudaMalloc(&data_, sizeof(T) * count); }
  cudaError_t copy_from(const T* host, int64_t count) {
    const cudaError_t error = allocate(count);
    if (error != cudaSuccess) return error;
    return cudaMemcpy(data_, host, sizeof(T) * count, cudaMemcpyHostToDevice);
  }
  cudaError_t copy_to(T* host, int64_t count) const {
    return cudaMemcpy(host, data_, sizeof(T) * count, cudaMemcpyDeviceToHost);
  }
  T* get() const { return data_; }

 private:
  T* data_ = nullptr;
};

unsigned blocks_for(int64_t count) {
  return static_cast<unsigned>((count + kThreads - 1) / kThreads);
}

#define RETURN_IF_FAILED(call)                                  \
  do {                                                          \
    const cudaError_t error = (call);                           \
    if (error != cudaSuccess) return cudaGetErrorString(error); \
  } while (false)

const char* run(const CudaConv& host) {
  const int out_width = (host.width + host.stride - 1) / host.stride;
  const int64_t outputs = int64_t{host.end - host.begin} * out_width * host.out_channels;
  const int64_t weights = int64_t{host.out_channels} * host.kernel * host.kernel *
                          (host.depthwise ? 1 : host.in_channels);
  if (outputs == 0) return nullptr;
  DeviceArray<int16_t> x, weight, transposed, activations;
  DeviceArray<int32_t> bias, multiplier, shift, sums;
  RETURN_IF_FAILED(x.copy_from(host.x, int64_t{host.rows} * host.width * host.in_channels));
  RETURN_IF_FAILED(weight.copy_from(host.weight, weights));
  RETURN_IF_FAILED(transposed.allocate(weights));
  if (host.bias) RETURN_IF_FAILED(bias.copy_from(host.bias, host.out_channels));
  if (host.sums) {
    RETURN_IF_FAILED(sums.allocate(outputs));
  } else {
    RETURN_IF_FAILED(multiplier.copy_from(host.multiplier, host.out_channels));
    RETURN_IF_FAILED(shift.copy_from(host.shift, host.out_channels));
    RETURN_IF_FAILED(activations.allocate(outputs));
  }
  transpose_weights<<<blocks_for(weights), kThreads>>>(host, weight.get(), transposed.get(),
                                                       weights);
  RETURN_IF_FAILED(cudaGetLastError());

  CudaConv device = host;
  device.x = x.get();
  device.weight = transposed.get();
  device.bias = bias.get();
  device.multiplier = multiplier.get();
  device.shift = shift.get();
  device.sums = sums.get();
  device.activations = activations.get();
  conv2d_cuda<<<blocks_for(outputs), kThreads>>>(device, out_width, outputs);
  RETURN_IF_FAILED(cudaGetLastError());
  if (host.sums)
    RETURN_IF_FAILED(sums.copy_to(host.sums, outputs));
  else
    RETURN_IF_FAILED(activations.copy_to(host.activations, outputs));
  return nullptr;
}

}  // namespace
}  // namespace samebits

#define SAMEBITS_EXPORT extern "C" __attribute__((visibility("default")))

SAMEBITS_EXPORT int32_t samebits_cuda_interface() {
  return samebits::kCudaInterface;
}

// Devices that can run the kernels compiled here; 0 if there is no driver.
SAMEBITS_EXPORT int32_t samebits_cuda_device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) return 0;
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, samebits::conv2d_cuda) == cudaSuccess ? count : 0;
}

SAMEBITS_EXPORT const char* samebits_cuda_conv2d(const samebits::CudaConv* conv) {
  return samebits::run(*conv);
}
