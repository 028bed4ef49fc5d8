// What each CUDA thread computes, run on the CPU: indices, borders, windows and requantization are
// checked on machines without a GPU, too.
#include "check.h"
#include "conv_reference.h"
#include "nn/cuda/conv_point.h"

using namespace samebits;

namespace {

void check_layer(const ConvLayer& layer, const Tensor<int16_t>& x, int begin, int end) {
  const Tensor<int64_t> expected = reference_sums(layer, x);
  const int pad = (layer.kernel - 1) / 2;
  const int first = std::max(0, begin * layer.stride - pad);
  const int last = std::min(x.height, (end - 1) * layer.stride + pad + 1);
  const std::vector<int16_t> rows(x.at(first, 0), x.at(last, 0));
  CudaConv conv{layer.in_channels,
                layer.out_channels,
                layer.kernel,
                layer.stride,
                layer.depthwise,
                nullptr,
                layer.bias.data(),
                rows.data(),
                first,
                last - first,
                x.height,
                x.width,
                begin,
                end,
                nullptr,
                nullptr,
                layer.multiplier.data(),
                layer.shift.data(),
                layer.leaky,
                layer.lo,
                layer.hi};
  std::vector<int16_t> transposed(layer.weight.size());
  for (size_t n = 0; n < transposed.size(); ++n)
    transposed.at(transposed_place(conv, static_cast<int64_t>(n))) = layer.weight[n];
  conv.weight = transposed.data();
  for (int y = begin; y < end; ++y)
    for (int column = 0; column < expected.width; ++column)
      for (int o = 0; o < layer.out_channels; ++o) {
        const int32_t sum = sum_point(conv, y, column, o);
        CHECK(sum == wrap(expected.at(y, column)[o]));
        CHECK(requantize_point(conv, sum, o) == reference_requantize(sum, layer.multiplier[o],
                                                                     layer.shift[o], layer.leaky,
                                                                     layer.lo, layer.hi));
      }
}

}  // namespace

int main() {
  Random random(1);
  for (int n = 0; n < 200; ++n) {
    const int channels = static_cast<int>(random.between(1, 20));
    const ConvLayer layer = random_layer(random, channels, static_cast<int>(random.between(1, 20)),
                                         random.one_in(3), random.one_in(3) ? 32768 : 100);
    const Tensor<int16_t> x = random_tensor(random, static_cast<int>(random.between(1, 9)),
                                            static_cast<int>(random.between(1, 12)), channels);
    const int oh = conv_output_size(x.height, layer.stride);
    const int begin = static_cast<int>(random.between(0, oh - 1));
    check_layer(layer, x, begin, static_cast<int>(random.between(begin + 1, oh)));
  }
}
