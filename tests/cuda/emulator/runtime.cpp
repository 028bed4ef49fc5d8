// The runtime half of the emulator: memory, streams, graphs.
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "cuda_runtime.h"

struct EmulatedStream {
  EmulatedGraph* capturing = nullptr;
};
struct EmulatedGraph {
  std::shared_ptr<std::vector<std::function<void()>>> work;
};
struct EmulatedEvent {};

namespace {

constexpr int kSharedLimit = 99 << 10;  // of the smallest supported chips
constexpr size_t kDeviceAlignment = 16;

std::map<void*, size_t> device_memory;
size_t in_use = 0, limit = SIZE_MAX;
bool device_lost = false;

// CUDA's handles 1 and 2 also name default streams.
bool is_default(cudaStream_t stream) {
  return reinterpret_cast<uintptr_t>(stream) <= 2;
}

cudaError_t state() {
  return device_lost ? cudaErrorIllegalAddress : cudaSuccess;
}

}  // namespace

namespace emulator {

cudaError_t enqueue(cudaStream_t stream, std::function<void()> work) {
  if (device_lost) return cudaErrorIllegalAddress;
  if (!is_default(stream) && stream->capturing != nullptr)
    stream->capturing->work->push_back(std::move(work));
  else
    work();
  return cudaSuccess;
}

void limit_device_memory(size_t bytes) {
  limit = bytes;
}
void lose_device(bool lost) {
  device_lost = lost;
}
size_t device_memory_in_use() {
  return in_use;
}

}  // namespace emulator

void __syncthreads() {
  emulator::block_barrier();
}

void __syncwarp() {
  unsigned nothing = 0;
  emulator::collective("__syncwarp", &nothing, sizeof(nothing), nullptr);
}

unsigned __ballot_sync(unsigned mask, int predicate) {
  if (mask != ~0u) emulator::die("__ballot_sync with a mask that is not full");
  unsigned value = predicate != 0;
  emulator::collective("__ballot_sync", &value, sizeof(value), [](unsigned char* operands) {
    unsigned ballot = 0, bit;
    for (int lane = 0; lane < 32; ++lane) {
      std::memcpy(&bit, operands + lane * emulator::kOperandStride, sizeof(bit));
      ballot |= bit << lane;
    }
    for (int lane = 0; lane < 32; ++lane)
      std::memcpy(operands + lane * emulator::kOperandStride, &ballot, sizeof(ballot));
  });
  return value;
}

unsigned __shfl_sync(unsigned mask, unsigned value, int from) {
  if (mask != ~0u) emulator::die("__shfl_sync with a mask that is not full");
  unsigned pair[2] = {value, static_cast<unsigned>(from) & 31};
  emulator::collective("__shfl_sync", pair, sizeof(pair), [](unsigned char* operands) {
    unsigned values[32], pair[2];
    for (int lane = 0; lane < 32; ++lane)
      std::memcpy(&values[lane], operands + lane * emulator::kOperandStride, sizeof(unsigned));
    for (int lane = 0; lane < 32; ++lane) {
      unsigned char* mine = operands + lane * emulator::kOperandStride;
      std::memcpy(pair, mine, sizeof(pair));
      std::memcpy(mine, &values[pair[1]], sizeof(unsigned));
    }
  });
  return pair[0];
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    default:
      return "invalid argument";
  }
}

cudaError_t cudaGetLastError() {
  return state();
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return state();
}
cudaError_t cudaSetDevice(int device) {
  return device == 0 ? state() : cudaErrorInvalidValue;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = kSharedLimit;
  return state();
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  *memory = nullptr;
  if (device_lost) return state();
  if (bytes > limit || in_use > limit - bytes) return cudaErrorMemoryAllocation;
  *memory = emulator::allocate_guarded(bytes, kDeviceAlignment);
  if (*memory == nullptr) return cudaErrorMemoryAllocation;
  device_memory[*memory] = bytes;
  in_use += bytes;
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return state();
  const auto found = device_memory.find(memory);
  if (found == device_memory.end()) emulator::die("cudaFree of memory that is not the device's");
  in_use -= found->second;
  device_memory.erase(found);
  emulator::free_guarded(memory);
  return state();
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  *memory = emulator::allocate_guarded(bytes, kDeviceAlignment);
  return *memory == nullptr ? cudaErrorMemoryAllocation : state();
}
cudaError_t cudaFreeHost(void* memory) {
  if (memory != nullptr) emulator::free_guarded(memory);
  return state();
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  if (device_lost) return state();
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  return emulator::enqueue(stream, [=] { std::memcpy(to, from, bytes); });
}

cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                         size_t width, size_t height, cudaMemcpyKind) {
  if (device_lost) return state();
  for (size_t row = 0; row < height; ++row)
    std::memcpy(static_cast<char*>(to) + row * to_pitch,
                static_cast<const char*>(from) + row * from_pitch, width);
  return cudaSuccess;
}

cudaError_t cudaMemset(void* memory, int value, size_t bytes) {
  if (device_lost) return state();
  std::memset(memory, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  return emulator::enqueue(stream, [=] { std::memset(memory, value, bytes); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new EmulatedStream;
  return state();
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return state();
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return state();
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new EmulatedEvent;
  return state();
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return state();
}
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) {
  return state();
}
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) {
  return state();
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  stream->capturing = new EmulatedGraph{std::make_shared<std::vector<std::function<void()>>>()};
  return state();
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = std::exchange(stream->capturing, nullptr);
  return state();
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  *executable = new EmulatedGraph(*graph);
  return state();
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return emulator::enqueue(stream, [executable] {
    for (const auto& work : *executable->work) work();
  });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return state();
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return state();
}
