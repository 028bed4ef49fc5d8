#include "codec/hyper_latents.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "codec/latent_values.h"

namespace samebits {
namespace {

constexpr int kStickyRounding = 64;  // offset before the cut, in 1/256: as deadzone_q8

constexpr int ceil_divide(uint32_t size, uint32_t by) {
  return static_cast<int>((size + by - 1) / by);
}

// Encoder: k - expected. A value that is nearly the expected one counts as that: what it says more
// is seldom worth its bits.
int32_t difference(int16_t z, int32_t gain, int32_t expected) {
  const int64_t one = int64_t{1} << kGainBits;
  const int64_t v = int64_t{z} * gain - expected * one;
  const int64_t magnitude = ((v < 0 ? -v : v) + kStickyRounding * (one >> 8)) >> kGainBits;
  const int64_t k = expected + (v < 0 ? -magnitude : magnitude);
  return static_cast<int32_t>(clamp<int64_t>(k, -kMaxHyperSymbol, kMaxHyperSymbol) - expected);
}

}  // namespace

LatentSizes latent_sizes(uint32_t picture_height, uint32_t picture_width) {
  const int height = ceil_divide(picture_height, kLatentStride);
  const int width = ceil_divide(picture_width, kLatentStride);
  return {height, width, ceil_divide(height, kHyperStride), ceil_divide(width, kHyperStride)};
}

HyperExpectation expect_nothing(const Model& model, int quality) {
  return {model.z_row.row(quality), {}};
}

HyperExpectation expect_same(const Model& model, int quality, const Tensor<int16_t>& z_hat) {
  HyperExpectation expected{model.time->z_row.row(quality), {}};
  const int32_t* gain = model.z_gain.row(quality);
  expected.k.resize(z_hat.data.size());
  for (size_t i = 0; i < expected.k.size(); ++i) {
    expected.k[i] =
        quantize(z_hat.data[i], gain[i % z_hat.channels], kPlainRounding, kMaxHyperSymbol);
  }
  return expected;
}

std::vector<int32_t> hyper_symbols(const Model& model, int quality, const Tensor<int16_t>& y,
                                   const LatentSizes& sizes, const HyperExpectation& expected) {
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
    const int32_t channel_gain = gain[i % z.channels];
    symbols[i] = expected.k.empty()
                     ? quantize(z.data[i], channel_gain, kPlainRounding, kMaxHyperSymbol)
                     : difference(z.data[i], channel_gain, expected.k[i]);
  }
  return symbols;
}

std::vector<uint8_t> hyper_rows(const Model& model, const LatentSizes& sizes,
                                const HyperExpectation& expected) {
  const int64_t positions = int64_t{sizes.hyper_height} * sizes.hyper_width;
  std::vector<uint8_t> rows;
  rows.reserve(positions * model.hyper_channels);
  for (int64_t i = 0; i < positions; ++i) {
    rows.insert(rows.end(), expected.rows, expected.rows + model.hyper_channels);
  }
  return rows;
}

Tensor<int16_t> dequantize_hyper(const Model& model, int quality, std::span<const int32_t> symbols,
                                 const LatentSizes& sizes, const HyperExpectation& expected) {
  const int32_t* inverse_gain = model.z_inverse_gain.row(quality);
  Tensor<int16_t> z_hat(sizes.hyper_height, sizes.hyper_width, model.hyper_channels);
  for (size_t i = 0; i < symbols.size(); ++i) {
    const int64_t k = int64_t{symbols[i]} + (expected.k.empty() ? 0 : expected.k[i]);
    if (k < -kMaxHyperSymbol || k > kMaxHyperSymbol) {
      fail(ErrorKind::corrupt_stream, "hyper-latent " + std::to_string(i) + " is " +
                                          std::to_string(k) +
                                          ", no encoder writes more than 16384; damaged stream?");
    }
    z_hat.data[i] = dequantize(0, static_cast<int32_t>(k), inverse_gain[i % z_hat.channels]);
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
