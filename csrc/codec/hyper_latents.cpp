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

}  // namespace

LatentSizes latent_sizes(uint32_t picture_height, uint32_t picture_width) {
  const int height = ceil_divide(picture_height, kLatentStride);
  const int width = ceil_divide(picture_width, kLatentStride);
  return {height, width, ceil_divide(height, kHyperStride), ceil_divide(width, kHyperStride)};
}

std::vector<int32_t> hyper_symbols(const Model& model, int quality, const Tensor<int16_t>& y,
                                   const LatentSizes& sizes) {
  const int height = sizes.hyper_height * kHyperStride, width = sizes.hyper_width * kHyperStride;
  expect_output_size(model.hyper_analysis, {height, width},
                     {sizes.hyper_height, sizes.hyper_width});
  const size_t from_row = static_cast<size_t>(y.width) * y.channels;
  const size_t to_row = static_cast<size_t>(width) * y.channels;
  // y with zeros at the bottom and on the right.
  const auto read = [&](int begin, int end, int16_t* rows) {
    for (int i = begin; i < end; ++i, rows += to_row) {
      const size_t values = i < y.height ? from_row : 0;
      std::copy_n(y.at(std::min(i, y.height - 1), 0), values, rows);
      std::fill(rows + values, rows + to_row, int16_t{0});
    }
  };
  Tensor<int16_t> z(sizes.hyper_height, sizes.hyper_width, model.hyper_channels);
  model.hyper_analysis.run_rows(height, width, INT64_MAX, {.read = read}, {.whole = z.data.data()});
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
  const int f = model.feature_channels, m = model.latent_channels;
  HyperInformation hyper{Tensor<int16_t>(sizes.height, sizes.width, f),
                         Tensor<int16_t>(sizes.height, sizes.width, m)};
  const size_t out_row = static_cast<size_t>(z_hat.width) * kHyperStride * (f + m);
  const auto write = [&](int begin, int end, const int16_t* rows) {
    for (int i = begin; i < std::min(end, sizes.height); ++i) {
      const int16_t* from = rows + (i - begin) * out_row;
      for (int j = 0; j < sizes.width; ++j, from += f + m) {
        std::copy_n(from, f, hyper.features.at(i, j));
        std::copy_n(from + f, m, hyper.prediction.at(i, j));
      }
    }
  };
  model.hyper_synthesis.run_rows(z_hat.height, z_hat.width, INT64_MAX, {.whole = z_hat.data.data()},
                                 {.write = write});
  return hyper;
}

}  // namespace samebits
