// Convolutions against the naive reference: every target, thread count, shape and window, exactly.
#include <algorithm>

#include "base/threads.h"
#include "check.h"
#include "conv_reference.h"
#include "nn/conv.h"
#include "nn/target.h"

using namespace samebits;

namespace {

void check_layer(const ConvLayer& layer, const Tensor<int16_t>& x) {
  const Tensor<int64_t> sums = reference_sums(layer, x);
  for (const std::string& name : targets()) {
    set_target(name);
    std::vector<int32_t> acc(sums.data.size());
    conv2d_accumulate(layer, x.data.data(), x.height, x.width, acc.data());
    std::vector<int16_t> out(sums.data.size());
    conv2d(layer, x.data.data(), x.height, x.width, out.data());
    for (size_t i = 0; i < acc.size(); ++i) {
      const size_t o = i % layer.out_channels;
      CHECK(acc[i] == wrap(sums.data[i]));
      CHECK(out[i] == reference_requantize(acc[i], layer.multiplier[o], layer.shift[o], layer.leaky,
                                           layer.lo, layer.hi));
    }
  }
}

void random_shapes() {
  Random random(1);
  for (int n = 0; n < 300; ++n) {
    const int channels = static_cast<int>(random.between(1, 40));
    const ConvLayer layer = random_layer(random, channels, static_cast<int>(random.between(1, 40)),
                                         random.one_in(3), random.one_in(3) ? 32768 : 100);
    check_layer(layer, random_tensor(random, static_cast<int>(random.between(1, 9)),
                                     static_cast<int>(random.between(1, 60)), channels));
  }
}

// The one pair whose vpmaddwd wraps, and sums that wrap many times.
void all_lowest() {
  for (const bool depthwise : {false, true}) {
    for (const int channels : {1, 2, 15, 16, 17, 130}) {
      Random random(2);
      ConvLayer layer = random_layer(random, channels, channels, depthwise, 32768);
      std::fill(layer.weight.begin(), layer.weight.end(), int16_t{-32768});
      layer.prepare();
      check_layer(layer, random_tensor(random, 5, 7, channels, -32768, -32768));
    }
  }
}

void without_bias() {
  Random random(3);
  for (const bool depthwise : {false, true}) {
    ConvLayer layer = random_layer(random, 19, 21, depthwise, 1000);
    layer.bias.clear();
    layer.prepare();
    check_layer(layer, random_tensor(random, 4, 50, 19));
  }
}

// Large enough for several threads to take part.
void thread_counts() {
  Random random(4);
  for (const bool depthwise : {false, true}) {
    ConvLayer layer = random_layer(random, 64, 80, depthwise, 200);
    layer.kernel = 3;
    layer.weight.resize(size_t{9} * layer.out_channels * (depthwise ? 1 : 64), 7);
    layer.prepare();
    const Tensor<int16_t> x = random_tensor(random, 75, 53, 64);
    const size_t size = size_t{75} * 53 * layer.out_channels;
    for (const std::string& name : targets()) {
      set_target(name);
      std::vector<std::vector<int16_t>> outputs;
      for (const int threads : {1, 2, 7}) {
        set_thread_count(threads);
        outputs.emplace_back(size);
        conv2d(layer, x.data.data(), x.height, x.width, outputs.back().data());
      }
      CHECK(outputs[0] == outputs[1] && outputs[0] == outputs[2]);
    }
  }
  set_thread_count(2);
}

// Output rows from a window of input rows are those of the whole picture.
void windows() {
  Random random(5);
  for (int n = 0; n < 200; ++n) {
    const int channels = static_cast<int>(random.between(1, 20));
    const ConvLayer layer = random_layer(random, channels, 9, random.one_in(3), 300);
    const Tensor<int16_t> x = random_tensor(random, static_cast<int>(random.between(1, 12)),
                                            static_cast<int>(random.between(1, 20)), channels);
    const int oh = conv_output_size(x.height, layer.stride);
    const int64_t out_row = int64_t{conv_output_size(x.width, layer.stride)} * layer.out_channels;
    std::vector<int16_t> whole(oh * out_row);
    conv2d(layer, x.data.data(), x.height, x.width, whole.data());
    const int begin = static_cast<int>(random.between(0, oh - 1));
    const int end = static_cast<int>(random.between(begin + 1, oh));
    const int pad = (layer.kernel - 1) / 2;
    const int first = std::max(0, begin * layer.stride - pad);
    const int last = std::min(x.height, (end - 1) * layer.stride + pad + 1);
    // A copy of just these rows, so that a sanitizer sees any other read.
    const std::vector<int16_t> rows(x.at(first, 0), x.at(last, 0));
    std::vector<int16_t> part((end - begin) * out_row);
    conv2d_rows(layer, {rows.data(), first, last - first, x.height, x.width}, begin, end,
                part.data());
    CHECK(std::equal(part.begin(), part.end(), whole.begin() + begin * out_row));
  }
}

void slices() {
  Random random(6);
  const ConvLayer layer = random_layer(random, 24, 50, false, 300);
  const Tensor<int16_t> x = random_tensor(random, 3, 11, 24);
  const int64_t pixels =
      int64_t{conv_output_size(3, layer.stride)} * conv_output_size(11, layer.stride);
  std::vector<int16_t> whole(pixels * 50), part(pixels * 24);
  conv2d(layer, x.data.data(), 3, 11, whole.data());
  conv2d(slice_outputs(layer, {{13, 34}, {2, 5}}), x.data.data(), 3, 11, part.data());
  for (int64_t p = 0; p < pixels; ++p)
    for (int o = 0; o < 24; ++o)
      CHECK(part[p * 24 + o] == whole[p * 50 + (o < 21 ? 13 + o : 2 + o - 21)]);
  CHECK_FAILS(invalid_argument, "non-empty range", slice_outputs(layer, {{13, 13}}));
  CHECK_FAILS(invalid_argument, "non-empty range", slice_outputs(layer, {{1, 2}, {13, 51}}));
}

// conv followed by add, as arithmetic.md 2 writes it.
std::vector<int16_t> added(const std::vector<int16_t>& a, const std::vector<int16_t>& b, int lo,
                           int hi) {
  std::vector<int16_t> sum(a.size());
  for (size_t i = 0; i < a.size(); ++i)
    sum[i] = static_cast<int16_t>(std::clamp(a[i] + b[i], lo, hi));
  return sum;
}

std::vector<int16_t> random_rows(Random& random, size_t size) {
  std::vector<int16_t> rows(size);
  for (int16_t& v : rows) v = static_cast<int16_t>(extreme_or_random(random, -32768, 32767));
  return rows;
}

void residuals() {
  Random random(8);
  for (int n = 0; n < 200; ++n) {
    const int channels = static_cast<int>(random.between(1, 40));
    const ConvLayer layer = random_layer(random, channels, static_cast<int>(random.between(1, 70)),
                                         random.one_in(3), 300);
    const Tensor<int16_t> x = random_tensor(random, static_cast<int>(random.between(1, 9)),
                                            static_cast<int>(random.between(1, 60)), channels);
    const int oh = conv_output_size(x.height, layer.stride);
    const size_t size =
        size_t{1} * oh * conv_output_size(x.width, layer.stride) * layer.out_channels;
    const std::vector<int16_t> other = random_rows(random, size);
    const int lo = static_cast<int>(extreme_or_random(random, -32768, 0));
    const int hi = static_cast<int>(extreme_or_random(random, 0, 32767));
    for (const std::string& name : targets()) {
      set_target(name);
      std::vector<int16_t> alone(size), sum = other;
      conv2d(layer, x.data.data(), x.height, x.width, alone.data());
      const Residual in_place{sum.data(), lo, hi};
      conv2d_rows(layer, {x.data.data(), 0, x.height, x.height, x.width}, 0, oh, sum.data(),
                  &in_place);
      CHECK(sum == added(alone, other, lo, hi));
    }
  }
}

ConvLayer pointwise_layer(Random& random, int in_channels) {
  ConvLayer layer =
      random_layer(random, in_channels, static_cast<int>(random.between(1, 70)), false, 300);
  layer.kernel = 1;
  layer.stride = 1;
  layer.weight.resize(size_t{1} * layer.out_channels * in_channels);
  layer.prepare();
  return layer;
}

// Two fused layers, on a window of rows, against one after the other on the scalar target.
void fused_layers() {
  Random random(9);
  for (int n = 0; n < 200; ++n) {
    const int channels = static_cast<int>(random.between(1, random.one_in(3) ? 140 : 40));
    const ConvLayer depthwise = random_layer(random, channels, channels, true, 300);
    const ConvLayer pointwise = pointwise_layer(random, channels);
    const Tensor<int16_t> x = random_tensor(random, static_cast<int>(random.between(1, 12)),
                                            static_cast<int>(random.between(1, 60)), channels);
    const int oh = conv_output_size(x.height, depthwise.stride);
    const int ow = conv_output_size(x.width, depthwise.stride);
    set_target("scalar");
    std::vector<int16_t> between(size_t{1} * oh * ow * channels);
    std::vector<int16_t> alone(size_t{1} * oh * ow * pointwise.out_channels);
    conv2d(depthwise, x.data.data(), x.height, x.width, between.data());
    conv2d(pointwise, between.data(), oh, ow, alone.data());
    const std::vector<int16_t> other = random_rows(random, alone.size());
    const int begin = static_cast<int>(random.between(0, oh - 1));
    const int end = static_cast<int>(random.between(begin + 1, oh));
    const int64_t row = int64_t{ow} * pointwise.out_channels;
    const Residual residual{other.data() + begin * row, -3000, 32767};
    const std::vector<int16_t> sum = added(alone, other, residual.lo, residual.hi);
    for (const std::string& name : targets()) {
      set_target(name);
      set_thread_count(static_cast<int>(random.between(1, 3)));
      std::vector<int16_t> out((end - begin) * row);
      const RowWindow window{x.data.data(), 0, x.height, x.height, x.width};
      depthwise_pointwise_rows(depthwise, pointwise, window, begin, end, out.data());
      CHECK(std::equal(out.begin(), out.end(), alone.begin() + begin * row));
      depthwise_pointwise_rows(depthwise, pointwise, window, begin, end, out.data(), &residual);
      CHECK(std::equal(out.begin(), out.end(), sum.begin() + begin * row));
    }
    set_thread_count(1);
  }
}

void refused_calls() {
  Random random(10);
  const ConvLayer depthwise = random_layer(random, 8, 8, true, 100);
  const ConvLayer pointwise = pointwise_layer(random, 8);
  const Tensor<int16_t> x = random_tensor(random, 4, 4, 8);
  const RowWindow window{x.data.data(), 0, 4, 4, 4};
  std::vector<int16_t> out(16 * 70);
  const auto fuse = [&](const ConvLayer& a, const ConvLayer& b) {
    depthwise_pointwise_rows(a, b, window, 0, 1, out.data());
  };
  CHECK_FAILS(invalid_argument, "must be depthwise", fuse(pointwise, pointwise));
  CHECK_FAILS(invalid_argument, "dense 1 x 1", fuse(depthwise, depthwise));
  CHECK_FAILS(invalid_argument, "first's channels", fuse(depthwise, pointwise_layer(random, 9)));
  ConvLayer sums_only = pointwise;
  sums_only.multiplier.clear();
  sums_only.shift.clear();
  sums_only.prepare();
  CHECK_FAILS(invalid_argument, "no multiplier", fuse(depthwise, sums_only));
  const Residual wide{out.data(), -32769, 0};
  CHECK_FAILS(invalid_argument, "clamp of the residual",
              conv2d_rows(pointwise, window, 0, 1, out.data(), &wide));
}

void refused_layers() {
  Random random(7);
  const ConvLayer good = random_layer(random, 8, 8, false, 100);
  const auto refused = [&](const char* part, auto change) {
    ConvLayer layer = good;
    change(layer);
    CHECK_FAILS(invalid_argument, part, layer.prepare());
  };
  refused("kernel 2", [](ConvLayer& l) { l.kernel = 2; });
  refused("stride 3", [](ConvLayer& l) { l.stride = 3; });
  refused("channels", [](ConvLayer& l) { l.in_channels = 0; });
  refused("weight has", [](ConvLayer& l) { l.weight.pop_back(); });
  refused("bias has", [](ConvLayer& l) { l.bias.pop_back(); });
  refused("shift has", [](ConvLayer& l) { l.shift.clear(); });
  refused("multiplier 65536", [](ConvLayer& l) { l.multiplier[3] = 65536; });
  refused("multiplier -1", [](ConvLayer& l) { l.multiplier[3] = -1; });
  refused("shift 0", [](ConvLayer& l) { l.shift[7] = 0; });
  refused("shift 47", [](ConvLayer& l) { l.shift[7] = 47; });
  refused("leaky shift 16", [](ConvLayer& l) { l.leaky = 16; });
  refused("within int16", [](ConvLayer& l) { l.hi = 32768; });
  refused("within int16", [](ConvLayer& l) { l.lo = l.hi + 1; });
  refused("input range", [](ConvLayer& l) { l.in_lo = -32769; });
  refused("input range", [](ConvLayer& l) { l.in_lo = l.in_hi + 1; });
  refused("as many outputs", [](ConvLayer& l) {
    l.depthwise = true;
    l.out_channels = 7;
  });
  ConvLayer unprepared;
  CHECK_FAILS(invalid_argument, "prepare()", conv2d_accumulate(unprepared, nullptr, 1, 1, nullptr));
}

void target_names() {
  CHECK(targets().front() == "scalar");
  for (const std::string& name : targets()) {
    set_target(name);
    CHECK(target_name(target()) == name);
  }
  CHECK_FAILS(invalid_argument, "this machine has scalar", set_target("abacus"));
}

}  // namespace

int main() {
  target_names();
  random_shapes();
  all_lowest();
  without_bias();
  thread_counts();
  windows();
  slices();
  residuals();
  fused_layers();
  refused_calls();
  refused_layers();
}
