// A model on the device, and the order of a decode's launches (arithmetic.md 3 to 5).
#pragma once

#include <cuda_runtime.h>

#include <map>
#include <memory>
#include <vector>

#include "cuda/interface.h"
#include "cuda/latent_crc.h"
#include "cuda/latent_steps.h"
#include "cuda/network_plan.h"
#include "cuda/range_decoder.h"

namespace samebits {

// What a decode of a size needs to know of a picture; equal shapes can use one graph.
struct PictureShape {
  int32_t height, width, grey;
  std::vector<CudaRect> rects;

  bool operator==(const PictureShape& other) const;
};

class DeviceModel {
 public:
  // `shared_limit`: bytes of shared memory that a block can have.
  DeviceModel(const CudaModel& model, int shared_limit);

  // Launches everything between upload and download; returns y_hat, which lies in the arena. While
  // the arena only counts, nothing is launched.
  DeviceTensor enqueue(const PictureShape& shape, const StreamHeader* header, CoderState* coder,
                       DeviceStatus* status, Arena& arena, cudaStream_t stream) const;

 private:
  struct Run;  // one walk of enqueue()

  DeviceTensor decode_hyper(Run& run) const;
  void decode_step(Run& run, const DeviceStep& step) const;
  void run_step_networks(Run& run, const DeviceStep& step, int64_t positions, int16_t* delta,
                         int16_t* log_scale) const;
  DenseConv last_layer(const DeviceStep& step, const DeviceTensor& hidden, int16_t* delta,
                       int16_t* log_scale) const;

  int m_, nz_, f_, c1_, proxy_shift_, scale_rows_;
  NetworkPlan hyper_synthesis_, synthesis_;
  DeviceDense context_;
  std::map<int, DeviceDense> entropy_layers_;
  std::vector<int> entropy_;  // layers in order
  DeviceBuffer context_bias_, inverse_gain_, log2_gain_, z_inverse_gain_, z_row_;
  RangeTables tables_;
  LatentCrc crc_;
};

}  // namespace samebits
