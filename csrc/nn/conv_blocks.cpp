#include "nn/conv_blocks.h"

#include <algorithm>

#include "base/error.h"

namespace samebits {
namespace {

int16_t zeros[kMaxChannels];  // never written

}  // namespace

const int16_t* zero_pixel() {
  return zeros;
}

ConvBlocks::ConvBlocks(const ConvLayer& layer, const RowWindow& x, int begin, int end)
    : x_(x),
      begin_(begin),
      end_(end),
      out_width_(conv_output_size(x.width, layer.stride)),
      kernel_(layer.kernel),
      stride_(layer.stride),
      channels_(layer.in_channels) {}

const int16_t* ConvBlocks::at(int row, int column) const {
  return x_.data + (int64_t{row - x_.first_row} * x_.width + column) * channels_;
}

void ConvBlocks::gather(int64_t first, int pixels, const int16_t** inputs) const {
  const int pad = (kernel_ - 1) / 2;
  for (int done = 0; done < pixels;) {
    const int y = begin_ + static_cast<int>((first + done) / out_width_);
    const int x = static_cast<int>((first + done) % out_width_);
    const int run = std::min(pixels - done, out_width_ - x);
    const int16_t** to = inputs + done;
    for (int ky = 0; ky < kernel_; ++ky)
      for (int kx = 0; kx < kernel_; ++kx, to += pixels)
        gather_row(y * stride_ + ky - pad, x * stride_ + kx - pad, run, to);
    done += run;
  }
}

// Pointers to pixels x, x + stride, ... of input row y.
void ConvBlocks::gather_row(int y, int x, int pixels, const int16_t** inputs) const {
  int before = x < 0 ? std::min(pixels, (stride_ - 1 - x) / stride_) : 0;
  int inside = x < x_.width ? std::min(pixels, (x_.width - 1 - x) / stride_ + 1) : 0;
  if (y < 0 || y >= x_.height) before = inside = 0;
  int p = 0;
  for (; p < before; ++p) inputs[p] = zeros;
  for (; p < inside; ++p) inputs[p] = at(y, x + p * stride_);
  for (; p < pixels; ++p) inputs[p] = zeros;
}

DepthwiseRows ConvBlocks::rows_from(int64_t first, int pixels) const {
  DepthwiseRows rows = {};
  const int y = begin_ + static_cast<int>(first / out_width_);
  for (int r = 0; r < 3; ++r) {
    const bool inside = y + r - 1 >= 0 && y + r - 1 < x_.height;
    rows.row[r] = inside ? at(y + r - 1, 0) : zeros;
    rows.step[r] = inside ? channels_ : 0;
  }
  rows.width = x_.width;
  rows.x = static_cast<int>(first % out_width_);
  rows.pixels = std::min(pixels, out_width_ - rows.x);
  return rows;
}

}  // namespace samebits
