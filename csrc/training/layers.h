// Layers of the float networks, forward and backward, for training on processors.
//
// Tensors are channels-last, float32 and contiguous: a pixel is a row of channels. A pointwise
// layer is leaky(W x + b) or W x + b. A depthwise block is
//
//   a = leaky(W1 x + b1);  d = depthwise(a) + bd;  m = x + W2 d + b2
//   e = leaky(W3 m + b3);  out = m + W4 e + b4
//
// with leaky(v) = max(v, slope * v), whose derivative at 0 is the slope. The depthwise convolution
// has zero padding, so that every map has the height and width of x.
//
// Sums have a fixed order: the same input gives the same bits, for one precision and target.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace samebits::training {

// fp32: everything in float32. bf16: both factors of a product are rounded to bfloat16 (nearest,
// ties to even) and sums are float32, as are x, m, out and their gradients. The factors of the
// depthwise convolution are those of a bfloat16 tensor too, its weights float32.
enum class Precision { fp32, bf16 };

inline constexpr int kChannelStep = 16;  // widths are multiples of it
inline constexpr int kMaxChannels = 4096;

struct BlockShape {
  int64_t images;
  int height, width;
  int channels;  // C, of x, a, d, m and out
  int inner;     // E, of e
  int kernel;    // 3, 5 or 7
};

// Parameters of a block, or their gradients. Matrices are [out][in].
template <class T>
struct BlockParameters {
  T *w1, *b1;  // [C][C], [C]
  T *wd, *bd;  // [C][kernel][kernel], [C]
  T *w2, *b2;  // [C][C], [C]
  T *w3, *b3;  // [E][C], [E]
  T *w4, *b4;  // [C][E], [C]
};

struct BlockForward {
  BlockShape shape;
  BlockParameters<const float> parameters;
  float slope;
  const float* x;  // [images][height][width][C], as are out and the gradients
  float* out;
  std::byte* saved;  // block_saved_bytes() for the backward pass
};

struct BlockBackward {
  BlockShape shape;
  BlockParameters<const float> parameters;
  float slope;
  const float* x;
  const float* grad_out;
  const std::byte* saved;
  float* grad_x;
  BlockParameters<float> gradients;  // overwritten
};

struct PointwiseForward {
  int64_t pixels;
  int inputs, outputs;  // channels of x and out
  const float* weight;  // [outputs][inputs]
  const float* bias;
  bool leaky;
  float slope;
  const float* x;
  float* out;
};

struct PointwiseBackward {
  int64_t pixels;
  int inputs, outputs;
  const float* weight;
  bool leaky;
  float slope;
  const float* x;
  const float* out;  // of the forward pass; unused without leaky
  const float* grad_out;
  float* grad_x;  // null if not wanted
  float* grad_weight;
  float* grad_bias;
};

// Precisions with vector kernels for this machine and the vector set in use (base/cpu.h). Without
// any vector set these are both, in plain C++, which is slow.
std::vector<Precision> fast_precisions();

// What runs a precision now: "scalar", "avx2", "avx512" or "avx512_bf16".
std::string kernel_name(Precision precision);

int64_t block_saved_bytes(const BlockShape& shape, Precision precision);

// Error(invalid_argument) for a shape that is not one of those above.
void check(const BlockShape& shape);
void check_pointwise(int64_t pixels, int inputs, int outputs);

void run(const BlockForward& pass, Precision precision);
void run(const BlockBackward& pass, Precision precision);
void run(const PointwiseForward& pass, Precision precision);
void run(const PointwiseBackward& pass, Precision precision);

}  // namespace samebits::training
