#include "codec/transforms.h"

#include <algorithm>

namespace samebits {
namespace {

constexpr int kPixelOffset = 128;
constexpr int kColors = 3;

// Row `row` of the network input: the picture's row, its last pixel repeated up to `width`.
void read_row(const PictureView& picture, int row, int width, int16_t* out) {
  const int from = std::min(row, picture.height - 1);
  const uint8_t* rgb = picture.rgb + static_cast<size_t>(from) * picture.width * kColors;
  for (int x = 0; x < width; ++x) {
    const uint8_t* pixel = rgb + static_cast<size_t>(std::min(x, picture.width - 1)) * kColors;
    for (int c = 0; c < kColors; ++c) *out++ = static_cast<int16_t>(pixel[c] - kPixelOffset);
  }
}

void write_row(const int16_t* values, int row, Picture& picture) {
  const size_t width = picture.width;
  uint8_t* out = picture.samples.data() + row * width * picture.channels;
  if (picture.channels == kColors) {
    for (size_t i = 0; i < width * kColors; ++i) {
      out[i] = static_cast<uint8_t>(values[i] + kPixelOffset);
    }
    return;
  }
  for (size_t x = 0; x < width; ++x, values += kColors) {
    const int sum = values[0] + values[1] + values[2] + kColors * kPixelOffset;
    out[x] = static_cast<uint8_t>((sum + 1) / kColors);
  }
}

}  // namespace

Tensor<int16_t> analyze(const Model& model, const PictureView& picture, const LatentSizes& sizes,
                        int64_t budget_bytes) {
  const int height = sizes.height * kLatentStride, width = sizes.width * kLatentStride;
  expect_output_size(model.analysis, {height, width}, {sizes.height, sizes.width});
  Tensor<int16_t> y(sizes.height, sizes.width, model.latent_channels);
  const size_t in_row = static_cast<size_t>(width) * kColors;
  const auto read = [&](int begin, int end, int16_t* rows) {
    for (int i = begin; i < end; ++i) read_row(picture, i, width, rows + (i - begin) * in_row);
  };
  model.analysis.run_rows(height, width, budget_bytes, {.read = read}, {.whole = y.data.data()});
  return y;
}

Picture synthesize(const Model& model, const Tensor<int16_t>& y_hat, int width, int height,
                   int channels, int64_t budget_bytes) {
  expect_output_size(model.synthesis, {y_hat.height, y_hat.width},
                     {y_hat.height * kLatentStride, y_hat.width * kLatentStride});
  Picture picture{width, height, channels, {}};
  picture.samples.resize(static_cast<size_t>(width) * height * channels);
  const size_t out_row = static_cast<size_t>(y_hat.width) * kLatentStride * kColors;
  const auto write = [&](int begin, int end, const int16_t* rows) {
    for (int i = begin; i < std::min(end, height); ++i) {
      write_row(rows + (i - begin) * out_row, i, picture);
    }
  };
  model.synthesis.run_rows(y_hat.height, y_hat.width, budget_bytes, {.whole = y_hat.data.data()},
                           {.write = write});
  return picture;
}

}  // namespace samebits
