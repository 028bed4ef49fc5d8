// Hyper-latents (arithmetic.md 3): from latents to symbols, from symbols to hyper information.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codec/entropy_model.h"
#include "codec/model.h"
#include "nn/tensor.h"

namespace samebits {

// Sizes of the latents y and the hyper-latents z of a picture.
struct LatentSizes {
  int height, width;              // of y
  int hyper_height, hyper_width;  // of z
};

LatentSizes latent_sizes(uint32_t picture_height, uint32_t picture_width);

// What the symbols of hyper-latents are coded against (arithmetic.md 3).
struct HyperExpectation {
  const int32_t* rows = nullptr;  // CDF row of each channel
  std::vector<int32_t> k;         // expected values in HWC order; empty: 0
};

// Of a picture on its own.
HyperExpectation expect_nothing(const Model& model, int quality);

// Of a picture after one whose hyper-latents were `z_hat`.
HyperExpectation expect_same(const Model& model, int quality, const Tensor<int16_t>& z_hat);

// Encoder: hyper-analysis of y, quantized. Symbols in HWC order.
std::vector<int32_t> hyper_symbols(const Model& model, int quality, const Tensor<int16_t>& y,
                                   const LatentSizes& sizes, const HyperExpectation& expected);

// The CDF rows of the hyper-latent symbols.
std::vector<uint8_t> hyper_rows(const Model& model, const LatentSizes& sizes,
                                const HyperExpectation& expected);

// z_hat. A symbol that no encoder writes is Error(corrupt_stream).
Tensor<int16_t> dequantize_hyper(const Model& model, int quality, std::span<const int32_t> symbols,
                                 const LatentSizes& sizes, const HyperExpectation& expected);

// Hyper-synthesis, cropped to the size of y.
HyperInformation synthesize_hyper(const Model& model, const Tensor<int16_t>& z_hat,
                                  const LatentSizes& sizes);

}  // namespace samebits
