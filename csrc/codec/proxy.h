// The proxy of the entropy model (requirement E1): true values where the mask is 1, predicted
// values everywhere else.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "codec/model.h"
#include "codec/schedule.h"
#include "nn/tensor.h"

namespace samebits {

class Proxy {
 public:
  // E2: at first the proxy is filled with predicted values, [h][w][M].
  explicit Proxy(Tensor<int16_t> predicted) : values_(std::move(predicted)) {}

  const Tensor<int16_t>& values() const { return values_; }
  Tensor<int16_t> take() { return std::move(values_); }

  // E2, proxy updater: the true values of a rectangle take the place of the predictions. `mean` and
  // `symbols` are those of its elements in coding order. Returns how proxy_q has changed, in coding
  // order too.
  std::vector<int16_t> update(const Model& model, int quality, const Rect& rect,
                              const int16_t* mean, const int32_t* symbols);

 private:
  Tensor<int16_t> values_;
};

}  // namespace samebits
