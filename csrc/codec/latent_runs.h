// The formulas of latent_values.h on runs of channels, in 32 bits where that is exact, so that the
// compiler can use vectors. Results may not overlap with what is read.
#pragma once

#include <cstdint>

namespace samebits {

// mean = clamp16(prediction + delta), and the CDF row of every element.
void means_and_rows(const int16_t* prediction, const int16_t* delta, const int16_t* log_scale,
                    const int32_t* log2_gain, int scale_rows, int channels, int16_t* mean,
                    uint8_t* row);

// Dequantized symbols take the place of the proxies; changes = how their proxy_q has changed.
void update_proxies(const int16_t* mean, const int32_t* symbols, const int32_t* inverse_gain,
                    int proxy_shift, int channels, int16_t* proxy, int16_t* changes);

}  // namespace samebits
