#include "codec/hyper_latents.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "codec/latent_values.h"

namespace samebits {
namespace {

constexpr int ceil_divide(uint32_t size, uint32_t by) {
  return static_cast<int>((size + by - 1) / by);
}

// y with zeros at the bottom and on the right, up to multiples of kHyperStride.
Tensor<int16_t> extend_with_zeros(const Tensor<int16_t>& y, const LatentSizes& sizes) {
  Tensor<int16_t> extended(sizes.hyper_height * kHyperStride, sizes.hyper_width * kHyperStride,
                           y.channels);
  const size_t row = static_cast<size_t>(y.width) * y.channels;
  for (int i = 0; i < y.height; ++i) std::copy_n(y.at(i, 0), row, extended.at(i, 0));
  return extended;
}

}  // namespace

LatentSizes latent_sizes(uint32_t picture_height, uint32_t picture_width) {
  const int height = ceil_divide(picture_height, kLatentStride);
  const int width = ceil_divide(picture_width, kLatentStride);
  return {height, width, ceil_divide(height, kHyperStride), ceil_divide(width, kHyperStride)};
}

std::vector<int32_t> hyper_symbols(const Model& model, int quality, const Tensor<int16_t>& y,
                                   const LatentSizes& sizes) {
  const Tensor<int16_t> extended = extend_with_zeros(y, sizes);
  expect_output_size(model.hyper_analysis, {extended.height, extended.width},
                     {sizes.hyper_height, sizes.hyper_width});
  const Tensor<int16_t> z = model.hyper_analysis.run(extended);
  const int32_t* gain = model.z_gain.row(quality);
  std::vector<int32_t> symbols(z.data.size());
  for (size_t i = 0; i < symbols.size(); ++i) {
    symbols[i] = quantize(z.data[i], gain[i % z.channels], kPlainRounding, kMaxHyperSymbol);
  }
  return symbols;
}

std::vector<uint8_t> hyper_rows(const Model& model, int quality, const LatentSizes& sizes) {
  const int32_t* row = model.z_row.row(quality);
  const int64_t positions = int64_t{sizes.hyper_height} * sizes.hyper_width;
  std::vector<uint8_t> rows;
  rows.reserve(positions * model.hyper_channels);
  for (int64_t i = 0; i < positions; ++i) rows.insert(rows.end(), row, row + model.hyper_channels);
  return rows;
}

Tensor<int16_t> dequantize_hyper(const Model& model, int quality, std::span<const int32_t> symbols,
                                 const LatentSizes& sizes) {
  const int32_t* inverse_gain = model.z_inverse_gain.row(quality);
  Tensor<int16_t> z_hat(sizes.hyper_height, sizes.hyper_width, model.hyper_channels);
  for (size_t i = 0; i < symbols.size(); ++i) {
    if (symbols[i] < -kMaxHyperSymbol || symbols[i] > kMaxHyperSymbol) {
      fail(ErrorKind::corrupt_stream, "hyper-latent symbol " + std::to_string(i) + " is " +
                                          std::to_string(symbols[i]) +
                                          ", no encoder writes more than 16384; damaged stream?");
    }
    z_hat.data[i] = dequantize(0, symbols[i], inverse_gain[i % z_hat.channels]);
  }
  return z_hat;
}

HyperInformation synthesize_hyper(const Model& model, const Tensor<int16_t>& z_hat,
                                  const LatentSizes& sizes) {
  expect_output_size(model.hyper_synthesis, {z_hat.height, z_hat.width},
                     {z_hat.height * kHyperStride, z_hat.width * kHyperStride});
  const Tensor<int16_t> out = model.hyper_synthesis.run(z_hat);
  const int f = model.feature_channels, m = model.latent_channels;
  HyperInformation hyper{Tensor<int16_t>(sizes.height, sizes.width, f),
                         Tensor<int16_t>(sizes.height, sizes.width, m)};
  for (int i = 0; i < sizes.height; ++i) {
    for (int j = 0; j < sizes.width; ++j) {
      std::copy_n(out.at(i, j), f, hyper.features.at(i, j));
      std::copy_n(out.at(i, j) + f, m, hyper.prediction.at(i, j));
    }
  }
  return hyper;
}

}  // namespace samebits
