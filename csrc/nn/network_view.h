// A network as plain structs, for the CUDA module.
#pragma once

#include <vector>

#include "cuda/interface.h"
#include "nn/network.h"

namespace samebits {

// The layer as it is, for inputs in lo .. hi. Points into `layer`.
CudaLayer view_layer(const ConvLayer& layer, int lo, int hi);

class NetworkView {
 public:
  // Points into `network`, which must outlive the view.
  explicit NetworkView(const Network& network);
  NetworkView(const NetworkView&) = delete;
  NetworkView& operator=(const NetworkView&) = delete;

  CudaNetwork get() const;

 private:
  int in_channels_;
  std::vector<CudaOperation> operations_;
  std::vector<int32_t> channels_, last_use_;
  std::vector<CudaLayer> layers_;
  std::vector<const int16_t*> luts_;
};

}  // namespace samebits
