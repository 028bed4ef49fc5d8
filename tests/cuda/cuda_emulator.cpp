// The emulator finds what a GPU would not forgive: each faulty kernel ends its process.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "cuda/launch.h"
#include "cuda/ptx.h"

using namespace samebits;

namespace {

__global__ void divergent_barrier(int*) {
  if (threadIdx.x != 3) __syncthreads();
}

__global__ void half_a_warp(int*) {
  if (threadIdx.x < 16) __ballot_sync(~0u, 1);
}

__global__ void different_operations(int*) {
  if (threadIdx.x < 16)
    __ballot_sync(~0u, 1);
  else
    __shfl_sync(~0u, 1, 0);
}

__global__ void behind_the_end(int* data) {
  data[8 + threadIdx.x] = 1;
}

__global__ void behind_shared_memory(int*) {
  SAMEBITS_SHARED_MEMORY(shared);
  shared[1024 + threadIdx.x] = 1;
}

__global__ void copies_left_open(int* data) {
  SAMEBITS_SHARED_MEMORY(shared);
  copy_16_async(shared, data, true);
}

__global__ void crooked_copy(int* data) {
  SAMEBITS_SHARED_MEMORY(shared);
  copy_16_async(shared, data + 1, true);
}

__global__ void well_behaved(int* data) {
  SAMEBITS_SHARED_MEMORY(shared);
  copy_16_async(shared + threadIdx.x * 16, data + threadIdx.x % 2 * 4, true);
  commit_copies();
  wait_copies<0>();
  __syncthreads();
  if (threadIdx.x < 8) data[threadIdx.x] = static_cast<int>(__popc(threadIdx.x));
}

void run(void (*kernel)(int*)) {
  void* data = nullptr;
  CHECK(cudaMalloc(&data, 8 * sizeof(int)) == cudaSuccess);
  CHECK(launch(kernel, dim3(2), dim3(64), 1024, nullptr, static_cast<int*>(data)) == cudaSuccess);
  CHECK(cudaFree(data) == cudaSuccess);
}

// True if a process that runs the kernel is ended by a signal.
bool ends_by_signal(void (*kernel)(int*)) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    run(kernel);
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status);
}

}  // namespace

int main() {
  CHECK(!ends_by_signal(well_behaved));
  for (auto* kernel : {divergent_barrier, half_a_warp, different_operations, behind_the_end,
                       behind_shared_memory, copies_left_open, crooked_copy})
    CHECK(ends_by_signal(kernel));
}
