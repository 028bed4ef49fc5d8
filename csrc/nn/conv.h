// Integer convolutions (arithmetic.md 2, conv). Activations are [height][width][channel] int16.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/pack_weights.h"
#include "nn/winograd_weights.h"

namespace samebits {

inline constexpr int kMaxChannels = 65536;

struct ConvLayer {
  int in_channels = 0;
  int out_channels = 0;
  int kernel = 1;  // 1 or 3
  int stride = 1;  // 1 or 2
  bool depthwise = false;
  std::vector<int16_t> weight;      // [O][k][k][I], depthwise [C][k][k][1]
  std::vector<int32_t> bias;        // [O], or empty for zeros
  std::vector<int32_t> multiplier;  // [O], or empty if only conv2d_accumulate is used
  std::vector<int32_t> shift;       // [O], or empty like multiplier
  int leaky = -1;                   // -1 none, else 0 .. 15
  int lo = -32768;
  int hi = 32767;
  // A promise: every input is within. It only chooses between algorithms that are exact for it.
  int in_lo = -32768;
  int in_hi = 32767;
  ConvAlgorithm algorithm = ConvAlgorithm::automatic;

  // Checks the fields above (Error(invalid_argument)) and makes `packed` and
  // `winograd`. Call it after the last change and before any convolution.
  void prepare();

  // The same requantization for all channels of a prepared layer, within requantize.h.
  void rescale(int32_t all_multipliers, int32_t all_shifts);

  PackedConv packed;
  WinogradWeights winograd;
  bool prepared = false;
};

// Rows and columns of the output: ceil(size / stride).
constexpr int conv_output_size(int size, int stride) {
  return (size + stride - 1) / stride;
}

// Raw accumulators, bias + sum of products modulo 2^32, into out [oh][ow][O].
void conv2d_accumulate(const ConvLayer& layer, const int16_t* x, int height, int width,
                       int32_t* out);

// Requantized activations into out [oh][ow][O].
void conv2d(const ConvLayer& layer, const int16_t* x, int height, int width, int16_t* out);

// A stretch of rows of a picture: `data` holds its rows [first_row, first_row + rows).
struct RowWindow {
  const int16_t* data;
  int first_row;
  int rows;
  int height;  // of the whole picture
  int width;
};

// Output rows [begin, end) of conv2d_accumulate over the whole picture, into out [end - begin][ow]
// [O]. The window must hold every row inside the picture that they read.
void conv2d_accumulate_rows(const ConvLayer& layer, const RowWindow& x, int begin, int end,
                            int32_t* out);

// What is added to activations: out = clamp(activation + rows[same place], lo, hi). `rows` is dense
// and holds the rows of `out`; lo and hi are within int16.
struct Residual {
  const int16_t* rows;
  int lo, hi;
};

// Output rows [begin, end) of conv2d over the whole picture, into out [end - begin][ow][O]. The
// window must hold every row inside the picture that they read. The residual may be `out` itself.
void conv2d_rows(const ConvLayer& layer, const RowWindow& x, int begin, int end, int16_t* out,
                 const Residual* residual = nullptr);

// The same rows of `pointwise` (a dense 1 x 1 layer of stride 1) over `depthwise` (a depthwise
// layer), without what lies between them in memory.
void depthwise_pointwise_rows(const ConvLayer& depthwise, const ConvLayer& pointwise,
                              const RowWindow& x, int begin, int end, int16_t* out,
                              const Residual* residual = nullptr);

struct OutputRange {
  int begin, end;
};

// The layer with these output channels only, one range after another; prepared.
ConvLayer slice_outputs(const ConvLayer& layer, const std::vector<OutputRange>& ranges);

// Largest sum over output channels: max_o (sum |weight[o]| * max_abs_input + |bias[o]|).
// Accumulators cannot overflow if it is below 2^31 (arithmetic.md 6).
int64_t accumulator_bound(const ConvLayer& layer, int max_abs_input);

}  // namespace samebits
