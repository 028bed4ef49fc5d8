// Running a program on a strip of rows. A whole picture is one strip; several strips give the same
// bits, because every operation knows where its rows lie in the picture.
#include <algorithm>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/fixed_point.h"
#include "base/threads.h"
#include "nn/network.h"
#include "nn/row_operations.h"

namespace samebits {
namespace {

constexpr int64_t kMaxSide = int64_t{1} << 30;

// Strips begin at rows that are whole in the coarsest value, so that nothing there is done twice.
int strip_unit(const std::vector<Network::Size>& sizes) {
  const int out_height = sizes.back().height;
  int unit = 1;
  for (const Network::Size& size : sizes)
    unit = std::max(unit, (out_height + size.height - 1) / size.height);
  return unit;
}
// With at most 2^14 channels and 4096 operations, no count of bytes can overflow.
constexpr int64_t kMaxPositions = int64_t{1} << 35;

}  // namespace

// One strip: which rows of every value it needs, and the buffers that hold them.
class StripRunner {
 public:
  using Opcode = Network::Opcode;
  using Operation = Network::Operation;
  using Rows = Network::Rows;
  using Size = Network::Size;

  StripRunner(const Network& net, const std::vector<Size>& sizes, Rows out)
      : net_(net),
        sizes_(sizes),
        rows_(sizes.size(), Rows{0, 0}),
        buffers_(sizes.size()),
        data_(sizes.size()) {
    rows_.back() = out;
    for (size_t n = net.operations_.size(); n-- > 0;) {
      const Operation& op = net.operations_[n];
      if (rows_[n + 1].begin == rows_[n + 1].end) continue;
      const Rows needed = rows_read(op, rows_[n + 1]);
      include(op.src, needed);
      if (op.src2 >= 0) include(op.src2, needed);
    }
  }

  // Makes the strip hold all rows of all values, also of those that nothing reads.
  void hold_everything() {
    for (size_t value = 0; value < rows_.size(); ++value) rows_[value] = {0, sizes_[value].height};
  }

  Rows input_rows() const { return rows_.front(); }

  int64_t value_bytes(size_t value) const {
    return int64_t{rows_[value].end - rows_[value].begin} * sizes_[value].width *
           net_.values_[value].channels * int64_t{sizeof(int16_t)};
  }

  // The most that is held at once.
  int64_t working_set_bytes() const {
    int64_t held = value_bytes(0), most = held;
    for (size_t n = 0; n < net_.operations_.size(); ++n) {
      held += value_bytes(n + 1);
      most = std::max(most, held);
      for (size_t value = 0; value <= n + 1; ++value)
        if (ends_at(value, n)) held -= value_bytes(value);
    }
    return most;
  }

  // `input` holds input_rows(). Calls done(value, its rows) after each operation.
  template <class Done>
  void run(const int16_t* input, const Done& done) {
    data_[0] = input;
    for (size_t n = 0; n < net_.operations_.size(); ++n) {
      const size_t value = n + 1;
      buffers_[value] =
          std::make_unique_for_overwrite<int16_t[]>(value_bytes(value) / sizeof(int16_t));
      data_[value] = buffers_[value].get();
      apply(net_.operations_[n], value, buffers_[value].get());
      done(value, buffers_[value].get());
      for (size_t ended = 0; ended <= value; ++ended)
        if (ends_at(ended, n)) buffers_[ended].reset();
    }
  }

 private:
  // True if nothing after operation n reads the value.
  bool ends_at(size_t value, size_t n) const {
    const int last = std::max(net_.values_[value].last_use, static_cast<int>(value) - 1);
    return last == static_cast<int>(n);
  }

  void include(int value, Rows needed) {
    Rows& rows = rows_[value];
    if (rows.begin == rows.end)
      rows = needed;
    else
      rows = {std::min(rows.begin, needed.begin), std::max(rows.end, needed.end)};
  }

  Rows rows_read(const Operation& op, Rows out) const {
    switch (op.opcode) {
      case Opcode::conv: {
        const ConvLayer& layer = net_.layers_[op.layer];
        const int pad = (layer.kernel - 1) / 2;
        return {std::max(0, out.begin * layer.stride - pad),
                std::min(sizes_[op.src].height, (out.end - 1) * layer.stride + pad + 1)};
      }
      case Opcode::unshuffle:
        return {out.begin * op.factor, out.end * op.factor};
      case Opcode::shuffle:
        return {out.begin / op.factor, (out.end - 1) / op.factor + 1};
      default:
        return out;
    }
  }

  RowWindow window(int value) const {
    return {data_[value], rows_[value].begin, rows_[value].end - rows_[value].begin,
            sizes_[value].height, sizes_[value].width};
  }

  void apply(const Operation& op, size_t value, int16_t* out) const {
    const Rows rows = rows_[value];
    if (rows.begin == rows.end) return;
    const int channels = net_.values_[op.src].channels;
    const RowWindow x = window(op.src);
    switch (op.opcode) {
      case Opcode::conv:
        return conv2d_rows(net_.layers_[op.layer], x, rows.begin, rows.end, out);
      case Opcode::add:
        return add_rows(x, window(op.src2), channels, rows.begin, rows.end, op.lo, op.hi, out);
      case Opcode::unshuffle:
        return unshuffle_rows(x, channels, op.factor, rows.begin, rows.end, out);
      case Opcode::shuffle:
        return shuffle_rows(x, channels, op.factor, rows.begin, rows.end, out);
      case Opcode::clamp:
        return clamp_rows(x, channels, rows.begin, rows.end, op.lo, op.hi, out);
      case Opcode::lut:
        return lut_rows(x, channels, rows.begin, rows.end, net_.luts_[op.layer].data(), out);
    }
  }

  const Network& net_;
  const std::vector<Size>& sizes_;
  std::vector<Rows> rows_;
  std::vector<std::unique_ptr<int16_t[]>> buffers_;
  std::vector<const int16_t*> data_;
};

std::vector<Network::Size> Network::sizes(int height, int width) const {
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
  return sizes(height, width).back();
}

int64_t Network::working_set_bytes(int height, int width) const {
  const std::vector<Size> all = sizes(height, width);
  return StripRunner(*this, all, {0, all.back().height}).working_set_bytes();
}

void Network::require_input(const Tensor<int16_t>& in) const {
  if (in.channels != in_channels_)
    fail(ErrorKind::invalid_argument, "network input has " + std::to_string(in.channels) +
                                          " channels, needs " + std::to_string(in_channels_));
}

Tensor<int16_t> Network::run(const Tensor<int16_t>& in) const {
  return run_tiled(in, INT64_MAX);
}

std::vector<Tensor<int16_t>> Network::run_all(const Tensor<int16_t>& in) const {
  require_input(in);
  const std::vector<Size> all = sizes(in.height, in.width);
  std::vector<Tensor<int16_t>> outputs;
  StripRunner runner(*this, all, {0, all.back().height});
  runner.hold_everything();
  runner.run(in.data.data(), [&](size_t value, const int16_t* data) {
    outputs.emplace_back(all[value].height, all[value].width, values_[value].channels);
    std::copy_n(data, outputs.back().data.size(), outputs.back().data.begin());
  });
  return outputs;
}

Tensor<int16_t> Network::run_tiled(const Tensor<int16_t>& in, int64_t budget_bytes) const {
  require_input(in);
  const Size size = output_size(in.height, in.width);
  Tensor<int16_t> out(size.height, size.width, out_channels());
  const auto input = [&](int begin, int) { return in.at(begin, 0); };
  const auto write = [&](int begin, int end, const int16_t* rows) {
    std::copy_n(rows, out.at(end, 0) - out.at(begin, 0), out.at(begin, 0));
  };
  for_strips(in.height, in.width, budget_bytes, input, write);
  return out;
}

void Network::run_strips(int height, int width, int64_t budget_bytes, const ReadRows& read,
                         const WriteRows& write) const {
  std::vector<int16_t> rows;
  const auto input = [&](int begin, int end) {
    rows.resize(static_cast<size_t>(end - begin) * width * in_channels_);
    read(begin, end, rows.data());
    return rows.data();
  };
  for_strips(height, width, budget_bytes, input, write);
}

void Network::for_strips(int height, int width, int64_t budget_bytes,
                         const std::function<const int16_t*(int begin, int end)>& input,
                         const WriteRows& write) const {
  const std::vector<Size> all = sizes(height, width);
  const int out_height = all.back().height;
  const int strip = strip_height(all, budget_bytes);
  for (int begin = 0; begin < out_height; begin += strip) {
    const Rows out{begin, std::min(out_height, begin + strip)};
    StripRunner runner(*this, all, out);
    const Rows in = runner.input_rows();
    runner.run(input(in.begin, in.end), [&](size_t value, const int16_t* rows) {
      if (value + 1 == values_.size()) write(out.begin, out.end, rows);
    });
    if (out.end == out_height) break;  // begin + strip may not fit in an int
  }
}

int64_t Network::strip_bytes(const std::vector<Size>& sizes, int strip) const {
  // Strips inside the picture are alike; those at its borders have less halo.
  const int out_height = sizes.back().height;
  const int middle = out_height / strip / 2 * strip;
  int64_t most = 0;
  for (const int begin : {0, middle}) {
    const Rows out{begin, std::min(out_height, begin + strip)};
    most = std::max(most, StripRunner(*this, sizes, out).working_set_bytes());
  }
  return most;
}

int64_t Network::smallest_strip_bytes(int height, int width) const {
  const std::vector<Size> all = sizes(height, width);
  return strip_bytes(all, strip_unit(all));
}

int Network::strip_height(const std::vector<Size>& sizes, int64_t budget_bytes) const {
  const int out_height = sizes.back().height;
  const auto fits = [&](int strip) { return strip_bytes(sizes, strip) <= budget_bytes; };
  if (budget_bytes == INT64_MAX || fits(out_height)) return out_height;
  const int unit = strip_unit(sizes);
  int least = 1, most = std::max(1, out_height / unit);  // in units; the answer is in [least, most)
  if (!fits(unit))
    fail(ErrorKind::limit_exceeded,
         "the smallest strip of a picture " + std::to_string(sizes.front().width) +
             " columns wide needs " + std::to_string(strip_bytes(sizes, unit)) +
             " bytes, more than the " + std::to_string(budget_bytes) + " bytes allowed");
  while (most - least > 1) {
    const int half = least + (most - least) / 2;
    (fits(half * unit) ? least : most) = half;
  }
  return least * unit;
}

}  // namespace samebits
