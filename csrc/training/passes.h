// All passes of one Math, as a table of functions. A Math is the vectors and the elements of
// products of one instruction set and precision; scalar.cpp has the plainest.
#pragma once

#include "training/block_backward.h"
#include "training/block_forward.h"
#include "training/pointwise.h"

namespace samebits::training {

template <class Math>
int64_t block_scratch(const BlockShape& shape, const ChunkPlan& plan) {
  const int64_t forward = ForwardScratch<Math>(nullptr, shape, plan).cutter.size();
  const int64_t backward = BackwardScratch<Math>(nullptr, shape, plan).cutter.size();
  return forward > backward ? forward : backward;
}

template <class Math>
constexpr Kernels kernels_of(const char* name) {
  return {name,
          saved_bytes<Math>,
          block_scratch<Math>,
          block_forward<Math>,
          block_backward<Math>,
          pointwise_scratch<Math>,
          pointwise_forward<Math>,
          pointwise_backward<Math>};
}

}  // namespace samebits::training
