// The entropy model's layers, cut to what a step reads and writes: made once for a model, then
// shared by every picture that is coded with it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "nn/conv.h"

namespace samebits {

struct Model;

// For the elements of a channel range.
struct RangeLayers {
  // What known elements add to the context sums of their neighbors: for kernel row ky, a 1 x 1
  // layer from the range to [kx][C1]. The mask's part is the same at every position: it is the
  // bias.
  ConvLayer context[3];
  // The last layer of the entropy network: [delta | log-scale] of the range.
  ConvLayer last;
  // The last layer of the network `values`, if the model has it.
  ConvLayer coefficients;
};

class StepLayers {
 public:
  explicit StepLayers(const Model& model);

  // The context layer for a mask of zeros: inputs [proxy_q (M) | features (F)].
  const ConvLayer& first_pass() const { return first_pass_; }

  // Safe to call from several threads at once.
  std::shared_ptr<const RangeLayers> range(const Model& model, int channel_begin, int channel_end);

 private:
  ConvLayer first_pass_;
  std::mutex mutex_;
  std::map<std::pair<int, int>, std::shared_ptr<const RangeLayers>> ranges_;
};

}  // namespace samebits
