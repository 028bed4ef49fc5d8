#include <algorithm>
#include <cstdio>
#include <vector>

#include "cuda/decoder.h"
#include "cuda/dense_conv.h"
#include "cuda/range_decoder.h"

namespace samebits {
namespace {

constexpr int kInFlight = 8;      // pictures at a time
constexpr size_t kFreeSlots = 8;  // kept for pictures to come
constexpr size_t kSmallPayload = 64 << 10;

// Room for this payload and for somewhat longer ones.
size_t payload_room(const CudaPicture& picture) {
  const size_t needed = size_t{picture.word_count} * 2 + picture.escape_bytes;
  size_t room = kSmallPayload;
  while (room < needed) room *= 2;
  return room;
}

PictureShape shape_of(const CudaPicture& picture) {
  return {picture.height,
          picture.width,
          picture.grey,
          {picture.rects, picture.rects + picture.rect_count}};
}

size_t pixel_bytes(const CudaPicture& picture) {
  return size_t(picture.height) * size_t(picture.width) * (picture.grey ? 1 : 3);
}

CudaResult make_result(CudaStatus status, const char* what, const char* why) {
  CudaResult result{status, {}};
  std::snprintf(result.message, sizeof(result.message), "%s: %s", what, why);
  return result;
}

// Throws if the picture needs more than its caller allows.
struct OverLimit {
  size_t needed;
};

}  // namespace

CudaResult result_of(const CudaFailure& failure, const char* what) {
  cudaGetLastError();  // an error that the device survives is forgotten
  const CudaStatus status = failure.error == cudaErrorMemoryAllocation ? CudaStatus::out_of_memory
                            : failure.error == cudaErrorInvalidValue ? CudaStatus::invalid_argument
                                                                     : CudaStatus::device_failed;
  return make_result(status, what, cudaGetErrorString(failure.error));
}

CudaDecoder::CudaDecoder(const CudaModel& model, int device) : device_(device) {
  const CurrentDevice current(device);
  int shared_limit = 0;
  require(cudaDeviceGetAttribute(&shared_limit, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  require(prepare_dense_conv());
  require(prepare_range_decoder(shared_limit));
  model_ = std::make_unique<DeviceModel>(model, shared_limit);
}

CudaDecoder::~CudaDecoder() {
  int before = 0;
  if (cudaGetDevice(&before) != cudaSuccess || cudaSetDevice(device_) != cudaSuccess) return;
  free_.clear();
  model_.reset();
  cudaSetDevice(before);
}

void CudaDecoder::decode(const CudaPicture* pictures, CudaDecoded* decoded, int count) {
  std::list<std::pair<int, Slot>> flying;
  const auto land = [&] {
    const int n = flying.front().first;
    end(std::move(flying.front().second), pictures[n], decoded[n]);
    flying.pop_front();
  };
  for (int n = 0; n < count; ++n) {
    decoded[n] = {};
    if (static_cast<int>(flying.size()) == kInFlight) land();
    Slot slot = begin(pictures[n], decoded[n]);
    if (slot) flying.emplace_back(n, std::move(slot));
  }
  while (!flying.empty()) land();
}

// Starts a picture; null, with the reason in `decoded`, if that failed.
CudaDecoder::Slot CudaDecoder::begin(const CudaPicture& picture, CudaDecoded& decoded) {
  try {
    const CurrentDevice current(device_);
    const PictureShape shape = shape_of(picture);
    const size_t room = payload_room(picture), pixels = pixel_bytes(picture);
    const size_t needed = PictureSlot::device_bytes(*model_, shape, room) + pixels;
    if (needed > static_cast<uint64_t>(picture.max_device_bytes)) throw OverLimit{needed};
    Slot slot = take_slot(shape, room);
    DeviceBuffer buffer(pixels);
    slot->start(picture, buffer.as<uint8_t>());
    decoded.pixels = static_cast<uint8_t*>(buffer.release());
    return slot;
  } catch (const CudaFailure& failure) {
    decoded.result = result_of(failure, "starting a decode");
  } catch (const OverLimit& over) {
    decoded.result = {CudaStatus::over_limit, {}};
    std::snprintf(decoded.result.message, sizeof(decoded.result.message),
                  "decoding this picture needs %zu bytes of device memory, allowed are %lld",
                  over.needed, static_cast<long long>(picture.max_device_bytes));
  } catch (const std::bad_alloc&) {
    decoded.result = make_result(CudaStatus::out_of_memory, "starting a decode", "host memory");
  }
  return nullptr;
}

void CudaDecoder::end(Slot slot, const CudaPicture& picture, CudaDecoded& decoded) {
  try {
    const CurrentDevice current(device_);
    const DeviceStatus status = slot->finish();
    decoded.problems = status.problems;
    decoded.latent_crc = status.crc;
    if (picture.latents != nullptr) slot->download_latents(picture.latents);
    give_back(std::move(slot));
  } catch (const CudaFailure& failure) {
    decoded.result = result_of(failure, "decoding");
    cudaFree(decoded.pixels);
    decoded.pixels = nullptr;
  }
}

CudaDecoder::Slot CudaDecoder::take_slot(const PictureShape& shape, size_t payload_bytes) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = std::find_if(free_.begin(), free_.end(), [&](const Slot& slot) {
      return slot->fits(shape, payload_bytes);
    });
    if (found != free_.end()) {
      Slot slot = std::move(*found);
      free_.erase(found);
      return slot;
    }
  }
  return make_slot(shape, payload_bytes);
}

// If the device is full, the memory of pictures of other sizes is given up first.
CudaDecoder::Slot CudaDecoder::make_slot(const PictureShape& shape, size_t payload_bytes) {
  try {
    return std::make_unique<PictureSlot>(*model_, shape, payload_bytes);
  } catch (const CudaFailure& failure) {
    if (failure.error != cudaErrorMemoryAllocation) throw;
    cudaGetLastError();
  }
  drop_slots();
  return std::make_unique<PictureSlot>(*model_, shape, payload_bytes);
}

void CudaDecoder::give_back(Slot slot) {
  const std::lock_guard<std::mutex> lock(mutex_);
  free_.push_front(std::move(slot));
  if (free_.size() > kFreeSlots) free_.pop_back();
}

void CudaDecoder::drop_slots() {
  const std::lock_guard<std::mutex> lock(mutex_);
  free_.clear();
}

}  // namespace samebits
