#include <cstring>

#include "cuda/picture_slot.h"

namespace samebits {
namespace {

// Layout of the upload: header, words, escapes.
constexpr size_t kHeaderBytes = 64;
static_assert(sizeof(StreamHeader) <= kHeaderBytes);

struct SlotState {
  CoderState coder;
  DeviceStatus status;
};

size_t arena_bytes(const DeviceModel& model, const PictureShape& shape) {
  Arena counting(nullptr);
  model.enqueue(shape, nullptr, nullptr, nullptr, counting, nullptr);
  return counting.bytes();
}

}  // namespace

size_t PictureSlot::device_bytes(const DeviceModel& model, const PictureShape& shape,
                                 size_t payload_bytes) {
  return arena_bytes(model, shape) + kHeaderBytes + payload_bytes + sizeof(SlotState);
}

PictureSlot::PictureSlot(const DeviceModel& model, const PictureShape& shape, size_t payload_bytes)
    : shape_(shape),
      payload_bytes_(payload_bytes),
      arena_(arena_bytes(model, shape)),
      upload_(kHeaderBytes + payload_bytes),
      state_(sizeof(SlotState)),
      staging_(kHeaderBytes + payload_bytes),
      status_(sizeof(DeviceStatus)) {
  capture(model);
}

PictureSlot::~PictureSlot() {
  if (graph_ != nullptr) cudaGraphExecDestroy(graph_);
}

void PictureSlot::capture(const DeviceModel& model) {
  SlotState* state = state_.as<SlotState>();
  const cudaStream_t stream = own_stream_.get();
  Arena arena(arena_.data());
  require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  cudaGraph_t graph = nullptr;
  try {
    y_hat_ = model.enqueue(shape_, upload_.as<StreamHeader>(), &state->coder, &state->status, arena,
                           stream);
    require(cudaMemcpyAsync(status_.as<void>(), &state->status, sizeof(DeviceStatus),
                            cudaMemcpyDeviceToHost, stream));
  } catch (...) {
    if (cudaStreamEndCapture(stream, &graph) == cudaSuccess) cudaGraphDestroy(graph);
    throw;
  }
  require(cudaStreamEndCapture(stream, &graph));
  const cudaError_t error = cudaGraphInstantiate(&graph_, graph, 0);
  cudaGraphDestroy(graph);
  require(error);
}

void PictureSlot::start(const CudaPicture& picture, uint8_t* pixels) {
  const size_t word_bytes = size_t{picture.word_count} * 2;
  unsigned char* device = upload_.as<unsigned char>() + kHeaderBytes;
  const StreamHeader header{reinterpret_cast<const uint16_t*>(device),
                            device + word_bytes,
                            pixels,
                            picture.word_count,
                            picture.escape_bytes,
                            picture.lanes,
                            picture.quality};
  unsigned char* staging = staging_.as<unsigned char>();
  std::memcpy(staging, &header, sizeof(header));
  if (word_bytes > 0) std::memcpy(staging + kHeaderBytes, picture.words, word_bytes);
  if (picture.escape_bytes > 0)
    std::memcpy(staging + kHeaderBytes + word_bytes, picture.escapes, picture.escape_bytes);
  stream_ = picture.has_stream ? static_cast<cudaStream_t>(picture.stream) : own_stream_.get();
  require(cudaMemcpyAsync(upload_.data(), staging, kHeaderBytes + word_bytes + picture.escape_bytes,
                          cudaMemcpyHostToDevice, stream_));
  require(cudaGraphLaunch(graph_, stream_));
}

DeviceStatus PictureSlot::finish() {
  require(cudaStreamSynchronize(stream_));
  return *status_.as<DeviceStatus>();
}

void PictureSlot::download_latents(int16_t* to) const {
  const size_t row = size_t(y_hat_.channels) * sizeof(int16_t);
  require(cudaMemcpy2D(to, row, y_hat_.data, size_t(y_hat_.pitch) * sizeof(int16_t), row,
                       static_cast<size_t>(y_hat_.positions()), cudaMemcpyDeviceToHost));
}

}  // namespace samebits
