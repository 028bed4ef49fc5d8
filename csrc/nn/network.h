// A network: operations over registers, loaded from the weights file and proven free of overflow
// (arithmetic.md 2 and 6).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "nn/conv.h"
#include "nn/tensor.h"
#include "nn/weights_file.h"

namespace samebits {

class Network {
 public:
  // Reads `<prefix>.program` and its layers. Inputs are promised to be in in_lo .. in_hi. A program
  // that is malformed, or one whose accumulators could overflow, is Error(invalid_argument).
  static Network load(const WeightsFile& file, const std::string& prefix, int in_channels,
                      int in_lo, int in_hi);

  int in_channels() const { return in_channels_; }
  int out_channels() const { return values_.back().channels; }
  // Proven range of the output.
  int out_lo() const { return values_.back().lo; }
  int out_hi() const { return values_.back().hi; }
  // Layers in the order of their first use.
  const std::vector<ConvLayer>& layers() const { return layers_; }

  // True if the program is a chain of dense 1 x 1 convolutions with stride 1, each layer used once.
  bool pointwise() const;

  // Output size for an input size; Error(invalid_argument) if the network cannot take it (for
  // example a height that the unshuffle does not divide).
  struct Size {
    int height, width;
  };
  Size output_size(int height, int width) const;
  // The input's size, then that of every operation's output.
  std::vector<Size> value_sizes(int height, int width) const;

  // What is held besides input and output stays below budget_bytes; Error(limit_exceeded) if the
  // network cannot run within it.
  Tensor<int16_t> run(const Tensor<int16_t>& in, int64_t budget_bytes = INT64_MAX) const;

  // The outputs of all operations, in order: for comparing with a float twin layer by layer.
  std::vector<Tensor<int16_t>> run_all(const Tensor<int16_t>& in) const;

  // Where rows come from: the whole input, or else `read`, which fills rows [begin, end).
  // Where they go: the whole output, or else `write`, which takes rows [begin, end). Rows are read
  // and written once each, from top to bottom.
  struct Input {
    const int16_t* whole = nullptr;
    std::function<void(int begin, int end, int16_t* rows)> read = {};
  };
  struct Output {
    int16_t* whole = nullptr;
    std::function<void(int begin, int end, const int16_t* rows)> write = {};
  };

  // The same bits as run(), in strips of rows, so that what is held besides a whole input and
  // output stays below budget_bytes; Error(limit_exceeded) if even the smallest strip does not.
  void run_rows(int height, int width, int64_t budget_bytes, const Input& input,
                const Output& output) const;

  // Bytes that run() holds at most, input and output included.
  int64_t working_set_bytes(int height, int width) const;

  // Bytes that run_rows holds at most besides a whole input and output: without a budget, and with
  // the smallest one that works.
  int64_t strip_bytes(int height, int width) const;
  int64_t smallest_strip_bytes(int height, int width) const;

 private:
  enum class Opcode { conv = 1, add = 2, unshuffle = 3, shuffle = 4, clamp = 5, lut = 6 };
  // Operation n writes value n + 1; value 0 is the input.
  struct Operation {
    Opcode opcode;
    int src, src2;  // values, src2 -1 if unused
    int layer;      // conv: index in layers_; lut: index in luts_
    int factor;     // shuffle, unshuffle
    int lo, hi;     // add, clamp
  };
  struct Value {
    int channels;
    int lo, hi;  // proven range
  };
  // One or more operations that run together: an operation alone; a convolution and the add that
  // is the only reader of its result; a depthwise convolution and the 1 x 1 that is its only
  // reader.
  struct Stage {
    Opcode opcode;
    int src, src2, out;  // values; src2 -1 if unused
    int layer;           // as in Operation
    int depthwise = -1;  // conv: layer that comes before `layer`, or -1
    int factor, lo, hi;  // as in Operation; lo, hi also for a convolution with src2
  };
  friend class Adjoint;
  friend class ProgramReader;
  friend class RowPipeline;
  friend class StageFusion;
  friend class NetworkView;

  void require_input(const Tensor<int16_t>& in) const;
  void make_stages();
  // Output rows [begin, end) of a stage, to `out`.
  void run_stage(const Stage& stage, const RowWindow& x, const RowWindow& x2, int begin, int end,
                 int16_t* out) const;
  // Output rows of a strip: useful for the cache, and within the budget.
  int strip_height(const std::vector<Size>& sizes, int64_t budget_bytes, const Input& input,
                   const Output& output) const;

  int in_channels_ = 0;
  std::vector<Operation> operations_;
  std::vector<Value> values_;
  std::vector<ConvLayer> layers_;
  std::vector<std::vector<int16_t>> luts_;
  std::vector<Stage> stages_;
  std::vector<std::vector<int>> ended_by_;  // values that no stage after this one reads
};

}  // namespace samebits
