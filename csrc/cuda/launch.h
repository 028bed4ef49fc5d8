// Launching kernels and finding their shared memory, the same way under nvcc and on the emulator.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

namespace samebits {

// A type that takes no part in finding out template arguments.
template <class T>
struct Exactly {
  using type = T;
};

template <class... Parameters>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes,
                   cudaStream_t stream, typename Exactly<Parameters>::type... arguments) {
#ifdef __CUDACC__
  kernel<<<grid, block, shared_bytes, stream>>>(arguments...);
  return cudaGetLastError();
#else
  return emulator::enqueue(stream, [=] {
    emulator::run_grid(grid, block, shared_bytes, [=] { kernel(arguments...); });
  });
#endif
}

// A block's dynamic shared memory as an array of bytes, aligned to 16.
#ifdef __CUDACC__
#define SAMEBITS_SHARED_MEMORY(name) extern __shared__ __align__(16) unsigned char name[]
#else
#define SAMEBITS_SHARED_MEMORY(name) unsigned char* const name = emulator::shared_memory()
#endif

#define SAMEBITS_RETURN_IF_FAILED(call)                       \
  do {                                                        \
    const cudaError_t samebits_error = (call);                \
    if (samebits_error != cudaSuccess) return samebits_error; \
  } while (false)

}  // namespace samebits
