// Running a program: sizes, budgets, and one stage on a stretch of rows. Every operation knows
// where its rows lie in the picture, so that strips give the same bits as the whole.
#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/value_range.h"
#include "nn/network.h"
#include "nn/row_operations.h"
#include "nn/row_pipeline.h"

namespace samebits {
namespace {

constexpr int64_t kMaxSide = int64_t{1} << 30;
// With at most 2^14 channels and 4096 operations, no count of bytes can overflow.
constexpr int64_t kMaxPositions = int64_t{1} << 35;
// Strips whose largest value has about this many bytes stay in the cache.
constexpr int64_t kStripBytes = int64_t{1} << 21;

constexpr int64_t kInt16 = sizeof(int16_t);

const int16_t* rows_from(const RowWindow& x, int channels, int row) {
  return x.data + int64_t{row - x.first_row} * x.width * channels;
}

}  // namespace

std::vector<Network::Size> Network::value_sizes(int height, int width) const {
  const auto refuse = [](size_t n, const std::string& message) {
    fail(ErrorKind::invalid_argument, "network operation " + std::to_string(n) + ": " + message);
  };
  if (height < 1 || width < 1 || height > kMaxSide || width > kMaxSide)
    refuse(0, "input size " + std::to_string(height) + " x " + std::to_string(width) +
                  " is not in 1..2^30");
  if (int64_t{height} * width > kMaxPositions) refuse(0, "more than 2^35 positions");
  std::vector<Size> sizes{{height, width}};
  for (size_t n = 0; n < operations_.size(); ++n) {
    const Operation& op = operations_[n];
    Size size = sizes[op.src];
    const std::string text = std::to_string(size.height) + " x " + std::to_string(size.width);
    if (op.opcode == Opcode::conv) {
      const int stride = layers_[op.layer].stride;
      size = {conv_output_size(size.height, stride), conv_output_size(size.width, stride)};
    } else if (op.opcode == Opcode::unshuffle) {
      if (size.height % op.factor != 0 || size.width % op.factor != 0)
        refuse(n, "size " + text + " is not a multiple of " + std::to_string(op.factor));
      size = {size.height / op.factor, size.width / op.factor};
    } else if (op.opcode == Opcode::shuffle) {
      if (size.height > kMaxSide / op.factor || size.width > kMaxSide / op.factor)
        refuse(n, "size " + text + " times " + std::to_string(op.factor) + " is above 2^30");
      size = {size.height * op.factor, size.width * op.factor};
    } else if (op.opcode == Opcode::add &&
               (sizes[op.src2].height != size.height || sizes[op.src2].width != size.width)) {
      refuse(n, "adds " + text + " and " + std::to_string(sizes[op.src2].height) + " x " +
                    std::to_string(sizes[op.src2].width));
    }
    if (int64_t{size.height} * size.width > kMaxPositions) refuse(n, "more than 2^35 positions");
    sizes.push_back(size);
  }
  return sizes;
}

Network::Size Network::output_size(int height, int width) const {
  return value_sizes(height, width).back();
}

void Network::require_input(const Tensor<int16_t>& in) const {
  if (in.channels != in_channels_)
    fail(ErrorKind::invalid_argument, "network input has " + std::to_string(in.channels) +
                                          " channels, needs " + std::to_string(in_channels_));
  // Algorithms are chosen by what inputs were promised.
  if (in.data.empty()) return;
  const auto [least, most] = range_of(std::span<const int16_t>(in.data));
  if (least < values_[0].lo || most > values_[0].hi)
    fail(ErrorKind::invalid_argument, "network input has values in " + std::to_string(least) +
                                          ".." + std::to_string(most) + ", promised were " +
                                          std::to_string(values_[0].lo) + ".." +
                                          std::to_string(values_[0].hi));
}

Tensor<int16_t> Network::run(const Tensor<int16_t>& in, int64_t budget_bytes) const {
  require_input(in);
  const Size size = output_size(in.height, in.width);
  Tensor<int16_t> out(size.height, size.width, out_channels());
  run_rows(in.height, in.width, budget_bytes, {.whole = in.data.data()},
           {.whole = out.data.data()});
  return out;
}

std::vector<Tensor<int16_t>> Network::run_all(const Tensor<int16_t>& in) const {
  require_input(in);
  const std::vector<Size> all = value_sizes(in.height, in.width);
  std::vector<Tensor<int16_t>> outputs;
  const auto window = [&](int value) {
    const Tensor<int16_t>& x = value == 0 ? in : outputs[value - 1];
    return RowWindow{x.data.data(), 0, x.height, x.height, x.width};
  };
  for (size_t n = 0; n < operations_.size(); ++n) {
    const Operation& op = operations_[n];
    const int out = static_cast<int>(n) + 1;
    Tensor<int16_t> result(all[out].height, all[out].width, values_[out].channels);
    run_stage({op.opcode, op.src, op.src2, out, op.layer, -1, op.factor, op.lo, op.hi},
              window(op.src), op.src2 < 0 ? RowWindow{} : window(op.src2), 0, result.height,
              result.data.data());
    outputs.push_back(std::move(result));
  }
  return outputs;
}

void Network::run_stage(const Stage& stage, const RowWindow& x, const RowWindow& x2, int begin,
                        int end, int16_t* out) const {
  const int channels = values_[stage.src].channels;
  switch (stage.opcode) {
    case Opcode::conv: {
      const ConvLayer& layer = layers_[stage.layer];
      const Residual residual{stage.src2 < 0 ? nullptr : rows_from(x2, layer.out_channels, begin),
                              stage.lo, stage.hi};
      const Residual* add = stage.src2 < 0 ? nullptr : &residual;
      if (stage.depthwise < 0) return conv2d_rows(layer, x, begin, end, out, add);
      return depthwise_pointwise_rows(layers_[stage.depthwise], layer, x, begin, end, out, add);
    }
    case Opcode::add:
      return add_rows(x, x2, channels, begin, end, stage.lo, stage.hi, out);
    case Opcode::unshuffle:
      return unshuffle_rows(x, channels, stage.factor, begin, end, out);
    case Opcode::shuffle:
      return shuffle_rows(x, channels, stage.factor, begin, end, out);
    case Opcode::clamp:
      return clamp_rows(x, channels, begin, end, stage.lo, stage.hi, out);
    case Opcode::lut:
      return lut_rows(x, channels, begin, end, luts_[stage.layer].data(), out);
  }
}

void Network::run_rows(int height, int width, int64_t budget_bytes, const Input& input,
                       const Output& output) const {
  const std::vector<Size> all = value_sizes(height, width);
  const int strip = strip_height(all, budget_bytes, input, output);
  RowPipeline(*this, all, strip, input, output).run();
}

int64_t Network::working_set_bytes(int height, int width) const {
  const std::vector<Size> all = value_sizes(height, width);
  const auto bytes = [&](size_t value) {
    return int64_t{all[value].height} * all[value].width * values_[value].channels * kInt16;
  };
  return bytes(0) + bytes(all.size() - 1) + strip_bytes(height, width);
}

int64_t Network::strip_bytes(int height, int width) const {
  const std::vector<Size> all = value_sizes(height, width);
  const int strip = strip_height(all, INT64_MAX, {}, {});
  return RowPipeline::bytes(*this, all, strip, {}, {});
}

int64_t Network::smallest_strip_bytes(int height, int width) const {
  const std::vector<Size> all = value_sizes(height, width);
  return RowPipeline::bytes(*this, all, RowPipeline::strip_unit(all), {}, {});
}

int Network::strip_height(const std::vector<Size>& sizes, int64_t budget_bytes, const Input& input,
                          const Output& output) const {
  const int out_height = sizes.back().height;
  const int unit = RowPipeline::strip_unit(sizes);
  int64_t largest = 0;  // bytes of a value for the whole height
  for (size_t n = 0; n < sizes.size(); ++n)
    largest =
        std::max(largest, int64_t{sizes[n].height} * sizes[n].width * values_[n].channels * kInt16);
  const int64_t units = (out_height - 1) / unit + 1;
  const int64_t wanted = std::max<int64_t>(1, kStripBytes * units / largest);
  const auto height_of = [&](int64_t count) {
    return static_cast<int>(std::min<int64_t>(out_height, count * unit));
  };
  const auto bytes = [&](int64_t count) {
    return RowPipeline::bytes(*this, sizes, height_of(count), input, output);
  };
  if (budget_bytes == INT64_MAX || bytes(wanted) <= budget_bytes) return height_of(wanted);
  if (bytes(1) > budget_bytes)
    fail(ErrorKind::limit_exceeded,
         "the smallest strip of a picture " + std::to_string(sizes.front().width) +
             " columns wide needs " + std::to_string(bytes(1)) + " bytes, more than the " +
             std::to_string(budget_bytes) + " bytes allowed");
  int64_t least = 1, most = wanted;  // the answer is in [least, most)
  while (most - least > 1) {
    const int64_t half = least + (most - least) / 2;
    (bytes(half) <= budget_bytes ? least : most) = half;
  }
  return height_of(least);
}

}  // namespace samebits
