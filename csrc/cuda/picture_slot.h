// Everything one picture in flight needs: memory for its size, and the graph of its decode.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/device_memory.h"
#include "cuda/device_model.h"

namespace samebits {

// Memory of the host that the device copies from and to without waiting.
class PinnedBuffer {
 public:
  explicit PinnedBuffer(size_t bytes) { require(cudaMallocHost(&data_, bytes)); }
  PinnedBuffer(const PinnedBuffer&) = delete;
  ~PinnedBuffer() { cudaFreeHost(data_); }

  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_ = nullptr;
};

class OwnStream {
 public:
  OwnStream() { require(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  OwnStream(const OwnStream&) = delete;
  ~OwnStream() { cudaStreamDestroy(stream_); }
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

class PictureSlot {
 public:
  // Takes memory and captures the graph. `payload_bytes`: how much of a payload fits.
  PictureSlot(const DeviceModel& model, const PictureShape& shape, size_t payload_bytes);
  PictureSlot(const PictureSlot&) = delete;
  ~PictureSlot();

  // Device memory of such a slot.
  static size_t device_bytes(const DeviceModel& model, const PictureShape& shape,
                             size_t payload_bytes);

  bool fits(const PictureShape& shape, size_t payload_bytes) const {
    return shape_ == shape && payload_bytes <= payload_bytes_;
  }

  // Uploads and starts the decode of `picture` into `pixels` (the device's).
  void start(const CudaPicture& picture, uint8_t* pixels);
  // Waits for it.
  DeviceStatus finish();
  // After finish(): y_hat to [h][w][M] on the host.
  void download_latents(int16_t* to) const;

 private:
  void capture(const DeviceModel& model);

  PictureShape shape_;
  size_t payload_bytes_;
  OwnStream own_stream_;
  cudaStream_t stream_ = nullptr;  // of the decode in progress
  DeviceBuffer arena_, upload_, state_;
  PinnedBuffer staging_, status_;
  DeviceTensor y_hat_{};
  cudaGraphExec_t graph_ = nullptr;
};

}  // namespace samebits
