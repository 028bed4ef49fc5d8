// From operations to stages: what runs together, and when a value's rows are no longer needed.
#include "nn/network.h"

namespace samebits {

// Finds operations whose result only the next one reads, so that it need not be in memory.
class StageFusion {
 public:
  using Operation = Network::Operation;
  using Opcode = Network::Opcode;
  using Stage = Network::Stage;

  explicit StageFusion(const Network& net) : net_(net), reads_(net.values_.size(), 0) {
    for (const Operation& op : net.operations_) {
      ++reads_[op.src];
      if (op.src2 >= 0) ++reads_[op.src2];
    }
    ++reads_.back();  // the output is read outside
  }

  std::vector<Stage> stages() {
    std::vector<Stage> all;
    std::vector<bool> inside_other(net_.operations_.size(), false);
    for (size_t n = 0; n < net_.operations_.size(); ++n) {
      all.push_back(stage(static_cast<int>(n)));
      const Operation& op = net_.operations_[n];
      const Operation* inner = op.opcode == Opcode::add ? convolution_before(op) : nullptr;
      if (inner == nullptr) {
        inner = depthwise_before(op);
      } else if (const Operation* first = depthwise_before(*inner)) {
        inside_other[first - net_.operations_.data()] = true;
      }
      if (inner != nullptr) inside_other[inner - net_.operations_.data()] = true;
    }
    std::vector<Stage> kept;
    for (size_t n = 0; n < all.size(); ++n)
      if (!inside_other[n]) kept.push_back(all[n]);
    return kept;
  }

 private:
  Stage stage(int n) const {
    const Operation& op = net_.operations_[n];
    Stage stage{op.opcode, op.src, op.src2, n + 1, op.layer, -1, op.factor, op.lo, op.hi};
    const Operation* convolution = &op;
    if (op.opcode == Opcode::add && (convolution = convolution_before(op)) != nullptr) {
      stage.opcode = Opcode::conv;
      stage.src2 = net_.operations_.data() + op.src2 - 1 == convolution ? op.src : op.src2;
      stage.src = convolution->src;
      stage.layer = convolution->layer;
    }
    if (convolution == nullptr) return stage;
    if (const Operation* first = depthwise_before(*convolution)) {
      stage.src = first->src;
      stage.depthwise = first->layer;
    }
    return stage;
  }

  // The operation that gives a value, if nothing but its one reader needs it.
  const Operation* only_for_reader(int value) const {
    return value > 0 && reads_[value] == 1 ? &net_.operations_[value - 1] : nullptr;
  }

  // The convolution that `add` can be a part of.
  const Operation* convolution_before(const Operation& add) const {
    for (const int value : {add.src2, add.src}) {
      const Operation* op = only_for_reader(value);
      if (op != nullptr && op->opcode == Opcode::conv) return op;
    }
    return nullptr;
  }

  // The depthwise convolution that a 1 x 1 convolution can read pixel by pixel.
  const Operation* depthwise_before(const Operation& op) const {
    if (op.opcode != Opcode::conv) return nullptr;
    const ConvLayer& layer = net_.layers_[op.layer];
    if (layer.kernel != 1 || layer.stride != 1 || layer.depthwise) return nullptr;
    const Operation* first = only_for_reader(op.src);
    const bool depthwise =
        first != nullptr && first->opcode == Opcode::conv && net_.layers_[first->layer].depthwise;
    return depthwise ? first : nullptr;
  }

  const Network& net_;
  std::vector<int> reads_;
};

void Network::make_stages() {
  stages_ = StageFusion(*this).stages();
  std::vector<int> last_use(values_.size(), -1);
  for (size_t n = 0; n < stages_.size(); ++n) {
    const Stage& stage = stages_[n];
    last_use[stage.out] = last_use[stage.src] = static_cast<int>(n);
    if (stage.src2 >= 0) last_use[stage.src2] = static_cast<int>(n);
  }
  ended_by_.assign(stages_.size(), {});
  for (size_t value = 0; value < values_.size(); ++value)
    if (last_use[value] >= 0) ended_by_[last_use[value]].push_back(static_cast<int>(value));
}

}  // namespace samebits
