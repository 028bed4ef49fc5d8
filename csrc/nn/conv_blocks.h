// Cuts the output of a convolution into blocks: runs of at most kBlockPixels pixels in reading
// order, which may go on in the next row. Borders and windows are solved here.
#pragma once

#include "nn/conv.h"
#include "nn/conv_kernels.h"

namespace samebits {

// Zeros for what lies outside a picture, as many as any pixel has channels.
const int16_t* zero_pixel();

class ConvBlocks {
 public:
  // Output rows [begin, end) of the layer.
  ConvBlocks(const ConvLayer& layer, const RowWindow& x, int begin, int end);

  int64_t pixels() const { return int64_t{end_ - begin_} * out_width_; }
  int taps() const { return kernel_ * kernel_; }

  // Sets inputs [taps][pixels] for output pixels first, first + 1, ...
  void gather(int64_t first, int pixels, const int16_t** inputs) const;

  // The longest run in one row from output pixel `first` on, at most `pixels` of them, for
  // depthwise_rows; its row pointers are at channel 0.
  DepthwiseRows rows_from(int64_t first, int pixels) const;

 private:
  const int16_t* at(int row, int column) const;
  void gather_row(int y, int x, int pixels, const int16_t** inputs) const;

  RowWindow x_;
  int begin_, end_, out_width_;
  int kernel_, stride_, channels_;
};

}  // namespace samebits
