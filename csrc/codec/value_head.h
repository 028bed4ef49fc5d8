// The head of a model that gives a probability per value (requirement E5, arithmetic.md 9), and the
// rows that it makes for the range coder. Optional: a weights file may lack it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "entropy/softmax_rows.h"
#include "entropy/value_rows.h"
#include "nn/conv.h"
#include "nn/network.h"
#include "nn/weights_file.h"

namespace samebits {

struct Model;

struct ValueHead {
  Network network;  // C1 to M * coefficients: a chain of 1 x 1 convolutions
  int first_row = 0, end_row = 0;
  int entries = 2, coefficients = 2, shift = 0;
  std::vector<int16_t> base;  // as ValueShapes has them
  std::vector<int16_t> shapes;

  // Of the file that `model` comes from, whose sizes and context layer have been read already; none
  // if the file has no such head. Error(invalid_argument) for one that is malformed or could
  // overflow.
  static std::optional<ValueHead> load(const WeightsFile& file, const Model& model);

  int32_t min_symbol() const { return 1 - entries / 2; }
  ValueShapes view() const {
    return {first_row, end_row, entries, coefficients, shift, base.data(), shapes.data()};
  }
};

// The head of `model` if a stream asks for it, otherwise null. Error(blame) if there is none.
const ValueHead* value_head_for(const Model& model, bool asked, ErrorKind blame);

// Coefficients of `count` positions, [count][channels * J], from the context activations
// [count][C1]. `last` is the network's last layer, cut to the channels.
void run_value_head(const ValueHead& head, const ConvLayer& last,
                    std::span<const int16_t> activations, int count, int16_t* coefficients);

// Makes rows from row numbers and coefficients, for stretches of elements in the same memory.
class ValueRowMaker {
 public:
  // Keeps a reference to `head`.
  explicit ValueRowMaker(const ValueHead& head)
      : head_(head), starts_(static_cast<size_t>(kStretch) * head.entries) {}

  int coefficients() const { return head_.coefficients; }

  // Calls work(first, count, rows) for the elements [first, first + count), in order, until all
  // `rows` are done. `coefficients` is [elements][J].
  template <class Work>
  void for_stretches(std::span<const uint8_t> rows, const int16_t* coefficients, const Work& work) {
    const size_t all = rows.size();
    for (size_t first = 0; first < all; first += kStretch) {
      const size_t count = std::min(kStretch, all - first);
      work(first, count,
           make(rows.subspan(first, count), coefficients + first * head_.coefficients));
    }
  }

 private:
  static constexpr size_t kStretch = 1024;  // a multiple of the number of lanes

  ValueRows make(std::span<const uint8_t> rows, const int16_t* coefficients);

  const ValueHead& head_;
  std::vector<uint16_t> starts_;
};

}  // namespace samebits
