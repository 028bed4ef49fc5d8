// A model: everything of a weights file, checked. What has been loaded cannot overflow, and its
// networks fit together (arithmetic.md 2 to 7).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/schedule.h"
#include "codec/step_layers.h"
#include "codec/value_head.h"
#include "entropy/cdf_tables.h"
#include "nn/conv.h"
#include "nn/network.h"

namespace samebits {

inline constexpr int kQualities = kMaxQuality + 1;
inline constexpr int kLatentStride = 16;  // pixels a latent position, in each direction
inline constexpr int kHyperStride = 4;    // latent positions a hyper-latent position
inline constexpr int kMaxProxy = 8191;    // |proxy_q|
inline constexpr int kMaskValue = 256;    // what the context layer reads for "known"

// One row of values for each quality.
struct QualityTable {
  int columns = 0;
  std::vector<int32_t> values;

  const int32_t* row(int quality) const {
    return values.data() + static_cast<size_t>(quality) * columns;
  }
};

// The first layer of the entropy model (arithmetic.md 4), over [proxy | mask | hyper features].
struct ContextLayer {
  std::vector<int16_t> weight;  // [C1][3][3][2M + F]
  QualityTable bias;            // [quality][C1]
  std::vector<int32_t> multiplier, shift;
  int leaky = -1;
  int lo = 0;
  int hi = 0;
};

// What earlier pictures of a series tell about the next (arithmetic.md 4).
struct TimeNetwork {
  Network network;
  int feature_lo = 0, feature_hi = 0;  // of the features after its correction
  QualityTable z_row;                  // [quality][Nz], of differences to the hyper-latents before
};

struct Model {
  std::array<uint8_t, 32> sha256{};

  int latent_channels = 0;   // M
  int hyper_channels = 0;    // Nz
  int feature_channels = 0;  // F
  int context_channels = 0;  // C1
  int proxy_shift = 0;
  int scale_rows = 0;  // CDF rows of the latents; rows behind them are for the hyper-latents

  Network analysis, synthesis, hyper_analysis, hyper_synthesis;
  ContextLayer context;
  Network entropy;
  std::optional<ValueHead> values;  // if the file has it
  std::optional<TimeNetwork> time;  // models need not have it

  QualityTable gain, inverse_gain, log2_gain;  // [quality][M]
  QualityTable z_gain, z_inverse_gain, z_row;  // [quality][Nz]
  CdfTables cdf{{0, 1}, {0, 2}, {0}};
  ChannelGroups groups;
  // For encoders: bits that a squared error of one, on the average of a pixel's three samples, is
  // worth, in 2^-24, [quality]. Empty if the file does not say.
  std::vector<int32_t> lmbda_q24;
  std::shared_ptr<StepLayers> layers;

  // Error(invalid_argument), with a sentence, for a file that is malformed in any way.
  static Model load(std::vector<uint8_t> weights_file);

  // How a stream names the model: the first three bytes of the SHA-256 of the weights file.
  std::array<uint8_t, 3> id() const { return {sha256[0], sha256[1], sha256[2]}; }

  // Numbers about the model in lines of text, the overflow bounds among them.
  std::string describe() const;
};

// Loading tries the networks' scales with some sizes; a hostile program may still change its scale
// beyond them, so whoever relies on a size asks for it. Error(invalid_argument).
void expect_output_size(const Network& network, Network::Size in, Network::Size out);

}  // namespace samebits
