#include "cuda/dense_conv.h"
#include "cuda/launch.h"
#include "cuda/plain_operations.h"

namespace samebits {
namespace {

constexpr int kThreads = 256;
constexpr int kGroup = kPitchUnit;
constexpr int kPixelOffset = 128;
constexpr int kColors = 3;

struct alignas(16) Group {
  int16_t v[kGroup];
};

__device__ __forceinline__ int64_t thread_number() {
  return int64_t{blockIdx.x} * kThreads + threadIdx.x;
}

dim3 grid_for(int64_t threads) {
  return dim3(static_cast<unsigned>((threads + kThreads - 1) / kThreads));
}

__device__ __forceinline__ Group load(const int16_t* data, int64_t n) {
  return reinterpret_cast<const Group*>(data)[n];
}
__device__ __forceinline__ void store(int16_t* data, int64_t n, const Group& group) {
  reinterpret_cast<Group*>(data)[n] = group;
}

__global__ void add_kernel(const int16_t* a, const int16_t* b, int lo, int hi, int16_t* out,
                           int64_t groups) {
  const int64_t n = thread_number();
  if (n >= groups) return;
  Group x = load(a, n);
  const Group y = load(b, n);
  for (int i = 0; i < kGroup; ++i)
    x.v[i] = static_cast<int16_t>(clamped(int32_t{x.v[i]} + y.v[i], lo, hi));
  store(out, n, x);
}

__global__ void clamp_kernel(const int16_t* a, int lo, int hi, int16_t* out, int64_t groups) {
  const int64_t n = thread_number();
  if (n >= groups) return;
  Group x = load(a, n);
  for (int i = 0; i < kGroup; ++i) x.v[i] = static_cast<int16_t>(clamped(x.v[i], lo, hi));
  store(out, n, x);
}

__global__ void lut_kernel(const int16_t* a, const int16_t* table, int16_t* out, int64_t groups) {
  const int64_t n = thread_number();
  if (n >= groups) return;
  Group x = load(a, n);
  for (int i = 0; i < kGroup; ++i) x.v[i] = table[int32_t{x.v[i]} + 32768];
  store(out, n, x);
}

// A thread gathers 8 channels of an output position; `unshuffle` says which way.
__global__ void shuffle_kernel(DeviceTensor x, int factor, bool unshuffle, DeviceTensor out) {
  const int groups = out.pitch / kGroup;
  const int64_t n = thread_number();
  if (n >= out.positions() * groups) return;
  const int64_t position = n / groups;
  const int column = static_cast<int>(position % out.width);
  const int row = static_cast<int>(position / out.width);
  Group group;
  for (int i = 0; i < kGroup; ++i) {
    const int c = static_cast<int>(n % groups) * kGroup + i;
    group.v[i] = 0;
    if (c >= out.channels) continue;
    int from_row, from_column, from_channel;
    if (unshuffle) {
      from_row = row * factor + c / factor % factor;
      from_column = column * factor + c % factor;
      from_channel = c / (factor * factor);
    } else {
      from_row = row / factor;
      from_column = column / factor;
      from_channel = (c * factor + row % factor) * factor + column % factor;
    }
    group.v[i] = x.data[(int64_t{from_row} * x.width + from_column) * x.pitch + from_channel];
  }
  store(out.data, n, group);
}

// A thread makes one pixel.
__global__ void pixels_kernel(PixelJob job) {
  const int64_t n = thread_number();
  if (n >= int64_t{job.height} * job.width) return;
  const int y = static_cast<int>(n / job.width), x = static_cast<int>(n % job.width);
  const int r = job.factor, dy = y % r, dx = x % r;
  const int16_t* from =
      job.x.data + (int64_t{y / r} * job.x.width + x / r) * job.x.pitch + dy * r + dx;
  int color[kColors];
  for (int c = 0; c < kColors; ++c)
    color[c] = clamped(from[c * r * r], job.lo, job.hi) + kPixelOffset;
  uint8_t* to = *job.to;
  if (job.grey) {
    to[n] = static_cast<uint8_t>((color[0] + color[1] + color[2] + 1) / kColors);
    return;
  }
  for (int c = 0; c < kColors; ++c) to[n * kColors + c] = static_cast<uint8_t>(color[c]);
}

int64_t groups_of(const DeviceTensor& x) {
  return x.positions() * (x.pitch / kGroup);
}

cudaError_t run_any_shuffle(const DeviceTensor& x, int factor, bool unshuffle,
                            const DeviceTensor& out, cudaStream_t stream) {
  return launch(shuffle_kernel, grid_for(groups_of(out)), dim3(kThreads), 0, stream, x, factor,
                unshuffle, out);
}

}  // namespace

cudaError_t run_add(const DeviceTensor& a, const DeviceTensor& b, int lo, int hi,
                    const DeviceTensor& out, cudaStream_t stream) {
  return launch(add_kernel, grid_for(groups_of(out)), dim3(kThreads), 0, stream, a.data, b.data, lo,
                hi, out.data, groups_of(out));
}

cudaError_t run_clamp(const DeviceTensor& x, int lo, int hi, const DeviceTensor& out,
                      cudaStream_t stream) {
  return launch(clamp_kernel, grid_for(groups_of(out)), dim3(kThreads), 0, stream, x.data, lo, hi,
                out.data, groups_of(out));
}

cudaError_t run_lut(const DeviceTensor& x, const int16_t* table, const DeviceTensor& out,
                    cudaStream_t stream) {
  return launch(lut_kernel, grid_for(groups_of(out)), dim3(kThreads), 0, stream, x.data, table,
                out.data, groups_of(out));
}

cudaError_t run_unshuffle(const DeviceTensor& x, int factor, const DeviceTensor& out,
                          cudaStream_t stream) {
  return run_any_shuffle(x, factor, true, out, stream);
}

cudaError_t run_shuffle(const DeviceTensor& x, int factor, const DeviceTensor& out,
                        cudaStream_t stream) {
  return run_any_shuffle(x, factor, false, out, stream);
}

cudaError_t run_pixels(const PixelJob& job, cudaStream_t stream) {
  return launch(pixels_kernel, grid_for(int64_t{job.height} * job.width), dim3(kThreads), 0, stream,
                job);
}

}  // namespace samebits
