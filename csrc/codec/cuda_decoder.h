// decode_picture on a GPU: the same bits, and the pixels stay there.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <vector>

#include "bitstream/header.h"
#include "codec/limits.h"
#include "codec/model.h"
#include "cuda/interface.h"
#include "nn/tensor.h"

namespace samebits {

// Samples in device memory, [height][width][channels], owned.
class DevicePicture {
 public:
  DevicePicture() = default;
  DevicePicture(int device, const Header& header, uint8_t* samples);
  DevicePicture(DevicePicture&& other) noexcept;
  DevicePicture& operator=(DevicePicture&& other) noexcept;
  ~DevicePicture();

  int device() const { return device_; }
  int height() const { return height_; }
  int width() const { return width_; }
  int channels() const { return channels_; }
  uint8_t* samples() const { return samples_; }
  // To [height][width][channels] on the host. Error(device_error).
  void download(uint8_t* to) const;

 private:
  int device_ = 0, height_ = 0, width_ = 0, channels_ = 0;
  uint8_t* samples_ = nullptr;
};

class GpuDecoder {
 public:
  // Uploads the model, of which it keeps a reference. Error(device_error) if there is no such
  // device or it fails.
  GpuDecoder(const Model& model, int device);
  GpuDecoder(const GpuDecoder&) = delete;
  ~GpuDecoder();

  int device() const { return device_; }

  struct Options {
    Limits limits;  // max_bytes counts memory of the device
    bool has_stream = false;
    void* stream = nullptr;  // CUDA's; otherwise each picture in flight has its own
  };
  struct Outcome {
    DevicePicture picture;
    std::exception_ptr error;  // null if all is well
  };

  // Decodes streams, several at a time, and returns when all have ended. From any thread. Errors
  // are those of decode_picture, and Error(device_error).
  std::vector<Outcome> decode(std::span<const std::span<const uint8_t>> streams,
                              const Options& options) const;

  // y_hat of one stream, for comparing.
  Tensor<int16_t> decode_latents(std::span<const uint8_t> stream, const Options& options) const;

 private:
  struct Job;

  Job prepare(std::span<const uint8_t> stream, const Options& options) const;
  DevicePicture finish(const Job& job, const CudaDecoded& decoded, const Options& options) const;

  const Model& model_;
  int device_;
  CudaDecoder* decoder_ = nullptr;
};

}  // namespace samebits
