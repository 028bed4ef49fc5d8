// Decodes pictures of one model on one device, several at a time.
#pragma once

#include <cuda_runtime.h>

#include <list>
#include <memory>
#include <mutex>

#include "cuda/device_model.h"
#include "cuda/interface.h"
#include "cuda/picture_slot.h"

namespace samebits {

// Makes a device the thread's current one, and the one before current again at its end.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device) {
    require(cudaGetDevice(&before_));
    require(cudaSetDevice(device));
  }
  CurrentDevice(const CurrentDevice&) = delete;
  ~CurrentDevice() { cudaSetDevice(before_); }

 private:
  int before_ = 0;
};

// What a failure means to a caller.
CudaResult result_of(const CudaFailure& failure, const char* what);

}  // namespace samebits

// As in interface.h. Safe to use from several threads.
struct samebits::CudaDecoder {
 public:
  CudaDecoder(const CudaModel& model, int device);
  ~CudaDecoder();

  void decode(const CudaPicture* pictures, CudaDecoded* decoded, int count);
  int device() const { return device_; }

 private:
  using Slot = std::unique_ptr<PictureSlot>;

  Slot begin(const CudaPicture& picture, CudaDecoded& decoded);
  void end(Slot slot, const CudaPicture& picture, CudaDecoded& decoded);
  Slot take_slot(const PictureShape& shape, size_t payload_bytes);
  Slot make_slot(const PictureShape& shape, size_t payload_bytes);
  void give_back(Slot slot);
  void drop_slots();

  int device_;
  std::unique_ptr<DeviceModel> model_;
  std::mutex mutex_;
  std::list<Slot> free_;  // used last first
};
