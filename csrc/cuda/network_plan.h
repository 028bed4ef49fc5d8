// A network on the device: its layers packed and uploaded, its operations joined where one kernel
// can do several, its values in an arena.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "cuda/dense_conv.h"
#include "cuda/device_memory.h"
#include "cuda/interface.h"
#include "cuda/plain_operations.h"

namespace samebits {

// A dense layer on the device.
struct DeviceDense {
  DeviceBuffer weights, scales;
  DigitKind digits;
  int32_t tiles;
  DenseConv conv;  // all but segments and residual

  explicit DeviceDense(const CudaLayer& layer, int shuffle = 1);
};

struct DeviceDepthwise {
  DeviceBuffer weights, scales;
  CudaLayer shape;  // its pointers are null
  Activation activation;

  explicit DeviceDepthwise(const CudaLayer& layer);
};

// `layer` over all of x, in one segment.
DenseConv whole_conv(const DeviceDense& layer, const DeviceTensor& x, const DeviceTensor& out);

class NetworkPlan {
 public:
  // If `to_pixels`, a shuffle and a clamp at the end are left to run_pixels.
  enum class End { activations, pixels };
  NetworkPlan(const CudaNetwork& network, End end);

  // The last shuffle and clamp, if they were left out.
  int pixel_factor() const { return pixel_factor_; }
  int pixel_lo() const { return pixel_lo_; }
  int pixel_hi() const { return pixel_hi_; }

  // Runs the network; the output is part of the arena. `x` stays the caller's. While the arena only
  // counts, nothing is launched.
  DeviceTensor run(const DeviceTensor& x, Arena& arena, cudaStream_t stream) const;

 private:
  // One launch: operation `op`, together with the one after it if `joined`.
  struct Work {
    CudaOperation op;
    int32_t value;     // that it writes
    int32_t residual;  // value that is added, or -1
    int32_t lo, hi;    // of that addition
    int32_t shuffle;   // at the store, or 1
    int32_t last;      // index of the last operation it stands for
  };

  Work joined(const CudaNetwork& network, int n) const;
  int leave_pixels(const CudaNetwork& network);
  DeviceTensor shape_after(const Work& work, const DeviceTensor& x) const;
  void launch_work(const Work& work, const DeviceTensor& x, const DeviceTensor* other,
                   const DeviceTensor& out, cudaStream_t stream) const;
  void launch_depthwise(const Work& work, const DeviceTensor& x, const DeviceTensor& out,
                        cudaStream_t stream) const;

  std::vector<Work> work_;
  std::vector<int32_t> channels_, last_use_;
  std::vector<CudaLayer> shapes_;  // their pointers are not used after construction
  std::map<std::pair<int, int>, DeviceDense> dense_;  // by layer and shuffle
  std::map<int, DeviceDepthwise> depthwise_;
  std::vector<DeviceBuffer> luts_;
  int pixel_factor_ = 1, pixel_lo_ = INT16_MIN, pixel_hi_ = INT16_MAX;
};

}  // namespace samebits
