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

  // True if the program is a chain of dense 1 x 1 convolutions with stride 1.
  bool pointwise() const;

  // Output size for an input size; Error(invalid_argument) if the network cannot take it (for
  // example a height that the unshuffle does not divide).
  struct Size {
    int height, width;
  };
  Size output_size(int height, int width) const;

  Tensor<int16_t> run(const Tensor<int16_t>& in) const;

  // The outputs of all operations, in order: for comparing with a float twin layer by layer.
  std::vector<Tensor<int16_t>> run_all(const Tensor<int16_t>& in) const;

  // The same bits as run(), in strips of rows with exact halo, so that what is held besides input
  // and output stays below budget_bytes; Error(limit_exceeded) if even the smallest strip does not.
  Tensor<int16_t> run_tiled(const Tensor<int16_t>& in, int64_t budget_bytes) const;

  // run_tiled without the whole input and output in memory. `read` fills rows [begin, end) of the
  // input, `write` takes rows [begin, end) of the output; strips come from top to bottom.
  using ReadRows = std::function<void(int begin, int end, int16_t* rows)>;
  using WriteRows = std::function<void(int begin, int end, const int16_t* rows)>;
  void run_strips(int height, int width, int64_t budget_bytes, const ReadRows& read,
                  const WriteRows& write) const;

  // Bytes that run() holds at most, input and output included.
  int64_t working_set_bytes(int height, int width) const;

  // The least budget with which run_strips works.
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
    int lo, hi;    // proven range
    int last_use;  // index of the last operation that reads it, -1 for none
  };
  struct Rows {
    int begin, end;
  };
  friend class ProgramReader;
  friend class StripRunner;
  friend class NetworkView;

  std::vector<Size> sizes(int height, int width) const;  // of all values
  void require_input(const Tensor<int16_t>& in) const;
  // `input` gives rows [begin, end) of the input.
  void for_strips(int height, int width, int64_t budget_bytes,
                  const std::function<const int16_t*(int begin, int end)>& input,
                  const WriteRows& write) const;
  // Bytes that strips of so many output rows hold at most.
  int64_t strip_bytes(const std::vector<Size>& sizes, int strip) const;
  // Output rows of a strip that stays within the budget.
  int strip_height(const std::vector<Size>& sizes, int64_t budget_bytes) const;

  int in_channels_ = 0;
  std::vector<Operation> operations_;
  std::vector<Value> values_;
  std::vector<ConvLayer> layers_;
  std::vector<std::vector<int16_t>> luts_;
};

}  // namespace samebits
