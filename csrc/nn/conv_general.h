// Convolutions of any kernel size, stride, padding and grouping, for callers outside the codec:
// sums of products in int32. Shapes that the codec's layers know run on their kernels; the rest is
// plain code.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "nn/conv.h"
#include "nn/conv_uint8.h"

namespace samebits {

struct ConvShape {
  int in_channels, out_channels;
  int kernel_height, kernel_width;
  int stride;
  int padding;  // zeros on each side
  int groups;
};

enum class InputType { int16, uint8 };

struct ConvInputs {
  InputType type;
  int lo, hi;  // no value is outside
};

// What becomes of the sums (arithmetic.md 2), within the limits of nn/requantize.h.
struct Requantization {
  std::vector<int32_t> multiplier, shift;  // [O]
  int leaky, lo, hi;
};

// A convolution of which it is known that no accumulator can overflow for these inputs.
class GeneralConv {
 public:
  // weight [O][ky][kx][I / groups]; bias [O] or empty. Error(invalid_argument) for wrong shapes,
  // for sums that could reach 2^31, and for an algorithm that is not exact for these inputs.
  GeneralConv(const ConvShape& shape, std::vector<int16_t> weight, std::vector<int32_t> bias,
              const ConvInputs& inputs, ConvAlgorithm algorithm = ConvAlgorithm::automatic,
              const std::optional<Requantization>& requantization = std::nullopt);

  // Sizes of the output; Error(invalid_argument) if the padded picture is smaller than the kernel.
  int out_height(int height) const;
  int out_width(int width) const;

  // x [height][width][I], of the type promised, to out [oh][ow][O].
  void run(const int16_t* x, int height, int width, int32_t* out) const;
  void run(const uint8_t* x, int height, int width, int32_t* out) const;
  // Requantized.
  void run(const int16_t* x, int height, int width, int16_t* out) const;
  void run(const uint8_t* x, int height, int width, int16_t* out) const;

 private:
  void check_sums(int max_abs_input) const;
  template <class T>
  void run_plain(const T* x, int height, int width, int32_t* out) const;
  template <class T>
  void run_plain(const T* x, int height, int width, int16_t* out) const;
  template <class T>
  int32_t sum_at(const T* x, int height, int width, int y, int column, int o) const;

  ConvShape shape_;
  std::vector<int16_t> weight_;
  std::vector<int32_t> bias_;
  std::optional<Requantization> requantization_;
  // At most one of them; neither for shapes that only plain code knows.
  std::optional<ConvLayer> layer_;
  std::optional<Uint8Conv> uint8_layer_;
};

}  // namespace samebits
