#include "nn/conv_general.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/threads.h"
#include "nn/requantize.h"

namespace samebits {
namespace {

constexpr int kMaxKernel = 4096;
constexpr int kMaxPadding = 1 << 20;

[[noreturn]] void refuse(const std::string& message) {
  fail(ErrorKind::invalid_argument, "conv2d: " + message);
}

void require_range(int value, int lo, int hi, const char* name) {
  if (value < lo || value > hi)
    refuse(std::string(name) + " is " + std::to_string(value) + "; it must be in " +
           std::to_string(lo) + ".." + std::to_string(hi));
}

void check_shape(const ConvShape& s) {
  require_range(s.in_channels, 1, kMaxChannels, "the number of input channels");
  require_range(s.out_channels, 1, kMaxChannels, "the number of output channels");
  require_range(s.kernel_height, 1, kMaxKernel, "the kernel's height");
  require_range(s.kernel_width, 1, kMaxKernel, "the kernel's width");
  require_range(s.stride, 1, kMaxKernel, "stride");
  require_range(s.padding, 0, kMaxPadding, "padding");
  require_range(s.groups, 1, kMaxChannels, "groups");
  if (s.in_channels % s.groups != 0 || s.out_channels % s.groups != 0)
    refuse("groups is " + std::to_string(s.groups) + ", which does not divide " +
           std::to_string(s.in_channels) + " input and " + std::to_string(s.out_channels) +
           " output channels");
}

int out_size(int size, int padding, int kernel, int stride) {
  const int64_t padded = int64_t{size} + 2 * padding;
  if (padded < kernel)
    refuse("the kernel (" + std::to_string(kernel) + ") is larger than the padded input (" +
           std::to_string(padded) + ")");
  return static_cast<int>((padded - kernel) / stride + 1);
}

bool is_depthwise(const ConvShape& s) {
  return s.groups == s.in_channels && s.out_channels == s.in_channels;
}

bool fits_layer(const ConvShape& s) {
  return (s.kernel_height == 1 || s.kernel_height == 3) && s.kernel_height == s.kernel_width &&
         s.stride <= 2 && s.padding == (s.kernel_height - 1) / 2 &&
         (s.groups == 1 || is_depthwise(s));
}

}  // namespace

GeneralConv::GeneralConv(const ConvShape& shape, std::vector<int16_t> weight,
                         std::vector<int32_t> bias, const ConvInputs& inputs,
                         ConvAlgorithm algorithm,
                         const std::optional<Requantization>& requantization)
    : shape_(shape),
      weight_(std::move(weight)),
      bias_(std::move(bias)),
      requantization_(requantization) {
  check_shape(shape_);
  const int64_t wanted = int64_t{shape_.out_channels} * shape_.kernel_height * shape_.kernel_width *
                         (shape_.in_channels / shape_.groups);
  if (static_cast<int64_t>(weight_.size()) != wanted)
    refuse("weight has " + std::to_string(weight_.size()) + " entries, needs " +
           std::to_string(wanted));
  if (!bias_.empty() && static_cast<int>(bias_.size()) != shape_.out_channels)
    refuse("bias has " + std::to_string(bias_.size()) + " entries, needs " +
           std::to_string(shape_.out_channels));
  check_sums(std::max(std::abs(inputs.lo), std::abs(inputs.hi)));
  if (!fits_layer(shape_)) {
    if (algorithm != ConvAlgorithm::automatic && algorithm != ConvAlgorithm::direct)
      refuse("a Winograd algorithm needs a dense 3 x 3 kernel with stride 1 and padding 1");
    return;
  }
  ConvLayer layer;
  layer.in_channels = shape_.in_channels;
  layer.out_channels = shape_.out_channels;
  layer.kernel = shape_.kernel_height;
  layer.stride = shape_.stride;
  layer.depthwise = shape_.groups != 1;
  layer.weight = weight_;
  layer.bias = bias_;
  layer.in_lo = inputs.lo;
  layer.in_hi = inputs.hi;
  layer.algorithm = algorithm;
  if (requantization_) {
    layer.multiplier = requantization_->multiplier;
    layer.shift = requantization_->shift;
    layer.leaky = requantization_->leaky;
    layer.lo = requantization_->lo;
    layer.hi = requantization_->hi;
  }
  if (inputs.type == InputType::uint8) {
    uint8_layer_.emplace(std::move(layer));
  } else {
    layer.prepare();
    layer_ = std::move(layer);
  }
}

void GeneralConv::check_sums(int max_abs_input) const {
  const int64_t per_output = static_cast<int64_t>(weight_.size()) / shape_.out_channels;
  for (int o = 0; o < shape_.out_channels; ++o) {
    int64_t l1 = 0;
    for (int64_t i = 0; i < per_output; ++i) l1 += std::abs(int32_t{weight_[o * per_output + i]});
    const int64_t bound = l1 * max_abs_input + (bias_.empty() ? 0 : std::abs(int64_t{bias_[o]}));
    if (bound > INT32_MAX)
      refuse("sums of output channel " + std::to_string(o) + " could reach " +
             std::to_string(bound) + ", which is beyond int32; use smaller values or weights");
  }
}

int GeneralConv::out_height(int height) const {
  return out_size(height, shape_.padding, shape_.kernel_height, shape_.stride);
}

int GeneralConv::out_width(int width) const {
  return out_size(width, shape_.padding, shape_.kernel_width, shape_.stride);
}

void GeneralConv::run(const int16_t* x, int height, int width, int32_t* out) const {
  if (layer_)
    conv2d_accumulate(*layer_, x, height, width, out);
  else
    run_plain(x, height, width, out);
}

void GeneralConv::run(const uint8_t* x, int height, int width, int32_t* out) const {
  if (uint8_layer_)
    uint8_layer_->accumulate(x, height, width, out);
  else
    run_plain(x, height, width, out);
}

void GeneralConv::run(const int16_t* x, int height, int width, int16_t* out) const {
  if (layer_)
    conv2d(*layer_, x, height, width, out);
  else
    run_plain(x, height, width, out);
}

void GeneralConv::run(const uint8_t* x, int height, int width, int16_t* out) const {
  if (uint8_layer_)
    uint8_layer_->run(x, height, width, out);
  else
    run_plain(x, height, width, out);
}

template <class T>
void GeneralConv::run_plain(const T* x, int height, int width, int16_t* out) const {
  const int64_t pixels = int64_t{out_height(height)} * out_width(width);
  const int channels = shape_.out_channels;
  std::vector<int32_t> acc(static_cast<size_t>(pixels) * channels);
  run_plain(x, height, width, acc.data());
  const Requantization& r = requantization_.value();
  parallel_for(pixels, [&](int64_t begin, int64_t end) {
    requantize(acc.data() + begin * channels, end - begin, channels, r.multiplier.data(),
               r.shift.data(), r.leaky, r.lo, r.hi, out + begin * channels);
  });
}

template <class T>
void GeneralConv::run_plain(const T* x, int height, int width, int32_t* out) const {
  const int ow = out_width(width);
  parallel_for(out_height(height), [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y)
      for (int column = 0; column < ow; ++column)
        for (int o = 0; o < shape_.out_channels; ++o)
          out[(y * ow + column) * shape_.out_channels + o] =
              sum_at(x, height, width, static_cast<int>(y), column, o);
  });
}

// The sum cannot overflow in any order: check_sums.
template <class T>
int32_t GeneralConv::sum_at(const T* x, int height, int width, int y, int column, int o) const {
  const int inputs = shape_.in_channels / shape_.groups;
  const int first_input = o / (shape_.out_channels / shape_.groups) * inputs;
  const int16_t* w =
      weight_.data() + int64_t{o} * shape_.kernel_height * shape_.kernel_width * inputs;
  int32_t sum = bias_.empty() ? 0 : bias_[o];
  for (int ky = 0; ky < shape_.kernel_height; ++ky) {
    const int64_t row = int64_t{y} * shape_.stride + ky - shape_.padding;
    for (int kx = 0; kx < shape_.kernel_width; ++kx, w += inputs) {
      const int64_t col = int64_t{column} * shape_.stride + kx - shape_.padding;
      if (row < 0 || row >= height || col < 0 || col >= width) continue;
      const T* pixel = x + (row * width + col) * shape_.in_channels + first_input;
      for (int i = 0; i < inputs; ++i) sum += int32_t{w[i]} * pixel[i];
    }
  }
  return sum;
}

}  // namespace samebits
