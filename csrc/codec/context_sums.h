// The first layer of the entropy model as running sums (requirement X3).
//
// A full pass would convolve [proxy_q | 256 * mask | features] before every step. The sums of a
// convolution are integers, so it does not matter when a term is added: the full pass is done once,
// with the mask all 0, and a step then adds only what its own elements change, to the nine
// neighbours of each position. The bits cannot differ; tests compare with full passes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/fixed_point.h"
#include "codec/model.h"
#include "nn/conv.h"
#include "nn/tensor.h"

namespace samebits {

// What the context layer reads of a proxy value.
constexpr int16_t proxy_q(int16_t proxy, int proxy_shift) {
  return static_cast<int16_t>(
      clamp<int64_t>(round_shift(proxy, proxy_shift), -kMaxProxy, kMaxProxy));
}

// Rows of the first pass that are made at once.
inline constexpr int kFirstPassRows = 32;

// Largest accumulator of the context layer over all qualities (arithmetic.md 6).
int64_t context_bound(const Model& model);

class ContextSums {
 public:
  // The full pass, into buffer 0: `prediction` is the proxy before the first step, [h][w][M];
  // `features` [h][w][F]. Keeps a reference to `model`.
  ContextSums(const Model& model, int quality, const Tensor<int16_t>& prediction,
              const Tensor<int16_t>& features);

  // Elements of different views see different sums: a buffer for each, as sums_plan.h says. A
  // dropped buffer gives its memory back.
  void copy(int from, int to);
  void drop(int buffer);

  // The elements of `rect` have become known to whoever reads `buffers`: proxy_q has changed by
  // `changes` ([position][channel] in coding order), the mask from 0 to 1. |change| <= 2 *
  // kMaxProxy fits int16.
  void add_known(const Rect& rect, std::span<const int16_t> changes, std::span<const int> buffers);

  // Activations of the layer at positions [begin, end) of `positions`, into out [..][C1].
  void activations(int buffer, const MaskedPositions& positions, int64_t begin, int64_t end,
                   int16_t* out) const;

  // Accumulators [h][w][C1], without the bias of the quality. Empty if dropped.
  const Tensor<int32_t>& sums(int buffer) const { return sums_[buffer]; }

 private:
  void add_row(const ConvLayer& layer, const MaskedPositions& positions,
               std::span<const int16_t> changes, int row, int ky, std::span<const int> buffers,
               std::vector<int32_t>& contributions);

  const Model& model_;
  const int32_t* bias_;
  int height_, width_;
  std::vector<Tensor<int32_t>> sums_;
};

}  // namespace samebits
