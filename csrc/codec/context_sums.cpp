#include "codec/context_sums.h"

#include <algorithm>

#include "base/threads.h"
#include "codec/step_layers.h"
#include "nn/requantize.h"

namespace samebits {
namespace {

constexpr int kKernel = 3;
constexpr int kBlock = 64;  // positions worked on at once: their sums stay in the cache

// Rows [begin, end) of what the first pass reads: [proxy_q | features].
void first_pass_rows(const Model& model, const Tensor<int16_t>& prediction,
                     const Tensor<int16_t>& features, int begin, int end, int16_t* rows) {
  const int m = model.latent_channels, f = model.feature_channels;
  parallel_for(end - begin, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n) {
      const int y = begin + static_cast<int>(n);
      int16_t* to = rows + n * prediction.width * (m + f);
      for (int x = 0; x < prediction.width; ++x, to += m + f) {
        const int16_t* from = prediction.at(y, x);
        for (int c = 0; c < m; ++c) to[c] = proxy_q(from[c], model.proxy_shift);
        std::copy_n(features.at(y, x), f, to + m);
      }
    }
  });
}

// Sums are kept modulo 2^32, as the convolution kernels do; only complete ones are promised to fit.
void add_wrapping(int32_t* to, const int32_t* from, int count) {
  for (int i = 0; i < count; ++i) {
    to[i] = static_cast<int32_t>(static_cast<uint32_t>(to[i]) + static_cast<uint32_t>(from[i]));
  }
}

}  // namespace

ContextSums::ContextSums(const Model& model, int quality, const Tensor<int16_t>& prediction,
                         const Tensor<int16_t>& features)
    : model_(model),
      bias_(model.context.bias.row(quality)),
      height_(prediction.height),
      width_(prediction.width) {
  const int height = height_, width = width_;
  Tensor<int32_t>& sums = sums_.emplace_back(height, width, model.context_channels);
  const ConvLayer& layer = model.layers->first_pass();
  std::vector<int16_t> rows(size_t{kFirstPassRows + 2} * width * layer.in_channels);
  for (int begin = 0; begin < height; begin += kFirstPassRows) {
    const int end = std::min(begin + kFirstPassRows, height);
    const int first = std::max(begin - 1, 0), last = std::min(end + 1, height);
    first_pass_rows(model, prediction, features, first, last, rows.data());
    conv2d_accumulate_rows(layer, {rows.data(), first, last - first, height, width}, begin, end,
                           sums.at(begin, 0));
  }
}

void ContextSums::copy(int from, int to) {
  if (static_cast<int>(sums_.size()) <= to) sums_.resize(to + 1);
  sums_[to] = sums_[from];
}

void ContextSums::drop(int buffer) {
  sums_[buffer] = {};
}

void ContextSums::add_known(const Rect& rect, std::span<const int16_t> changes,
                            std::span<const int> buffers) {
  const auto layers = model_.layers->range(model_, rect.channel_begin, rect.channel_end);
  const MaskedPositions positions(height_, width_, rect.phase_mask);
  // A thread owns rows of the sums and collects what the rows above, at and below add to them.
  parallel_for(height_, [&](int64_t begin, int64_t end) {
    std::vector<int32_t> contributions(size_t{kBlock} * kKernel * model_.context_channels);
    for (int row = static_cast<int>(begin); row < end; ++row) {
      for (int ky = 0; ky < kKernel; ++ky)
        add_row(layers->context[ky], positions, changes, row, ky, buffers, contributions);
    }
  });
}

// Adds to row `row` of the sums what the known elements of row + ky - 1 contribute through kernel
// row ky: sums[row][j] reads known[row + ky - 1][j + kx - 1].
void ContextSums::add_row(const ConvLayer& layer, const MaskedPositions& positions,
                          std::span<const int16_t> changes, int row, int ky,
                          std::span<const int> buffers, std::vector<int32_t>& contributions) {
  const int from = row + ky - 1;
  if (from < 0 || from >= height_) return;
  const int c1 = model_.context_channels, channels = layer.in_channels;
  const int16_t* known = changes.data() + positions.before(from) * channels;
  for (int n = 0; n < positions.in_row(from); n += kBlock) {
    const int count = std::min(kBlock, positions.in_row(from) - n);
    conv2d_accumulate(layer, known + int64_t{n} * channels, 1, count, contributions.data());
    for (const int buffer : buffers) {
      for (int i = 0; i < count; ++i) {
        const int column = positions.column(from, n + i);
        for (int kx = 0; kx < kKernel; ++kx) {
          const int to = column + 1 - kx;
          if (to < 0 || to >= width_) continue;
          add_wrapping(sums_[buffer].at(row, to), &contributions[(size_t{3} * i + kx) * c1], c1);
        }
      }
    }
  }
}

void ContextSums::activations(int buffer, const MaskedPositions& positions, int64_t begin,
                              int64_t end, int16_t* out) const {
  const ContextLayer& layer = model_.context;
  const int c1 = model_.context_channels;
  std::vector<int32_t> accumulators((end - begin) * c1);
  int32_t* acc = accumulators.data();
  Position at = positions.at(begin);
  for (int64_t n = begin; n < end; ++n, acc += c1, at = positions.next(at)) {
    std::copy_n(sums_[buffer].at(at.row, at.column), c1, acc);
    add_wrapping(acc, bias_, c1);
  }
  requantize(accumulators.data(), end - begin, c1, layer.multiplier.data(), layer.shift.data(),
             layer.leaky, layer.lo, layer.hi, out);
}

}  // namespace samebits
