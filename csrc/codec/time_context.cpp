#include "codec/time_context.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/fixed_point.h"
#include "codec/context_sums.h"

namespace samebits {
namespace {

constexpr int kQualityUnit = 64;  // what the network reads for one step of quality

// One position of the network's input, arithmetic.md 4.
class InputWriter {
 public:
  InputWriter(const Model& model, int quality, EarlierLatents earlier,
              const HyperInformation& hyper)
      : model_(model), quality_(quality), earlier_(earlier), hyper_(hyper) {}

  void write(int row, int column, int16_t* to) const {
    const int16_t* features = hyper_.features.at(row, column);
    for (int c = 0; c < model_.feature_channels; ++c)
      *to++ = static_cast<int16_t>(clamp<int64_t>(features[c], -kMaxProxy, kMaxProxy));
    to = write_latents(hyper_.prediction.at(row, column), to);
    for (size_t n = 0; n < kEarlierPictures; ++n) {
      const bool known = n < earlier_.size();
      if (known) {
        to = write_latents(earlier_[n].y_hat.at(row, column), to);
      } else {
        to = std::fill_n(to, model_.latent_channels, int16_t{0});
      }
      *to++ = known ? kMaskValue : 0;
    }
    *to = static_cast<int16_t>(quality_ * kQualityUnit);
  }

 private:
  int16_t* write_latents(const int16_t* from, int16_t* to) const {
    for (int c = 0; c < model_.latent_channels; ++c) *to++ = proxy_q(from[c], model_.proxy_shift);
    return to;
  }

  const Model& model_;
  int quality_;
  EarlierLatents earlier_;
  const HyperInformation& hyper_;
};

void add_clamped(const int16_t* change, int count, int lo, int hi, int16_t* values) {
  for (int c = 0; c < count; ++c)
    values[c] = static_cast<int16_t>(clamp<int64_t>(values[c] + change[c], lo, hi));
}

}  // namespace

void check_earlier(const Model& model, EarlierLatents earlier, int height, int width,
                   ErrorKind blame) {
  if (!model.time) {
    fail(blame,
         "the picture needs earlier ones of its series, and the model has no network `time`");
  }
  for (const auto& [latents, z_hat] : earlier) {
    if (latents.height == height && latents.width == width &&
        latents.channels == model.latent_channels) {
      continue;
    }
    fail(blame, "the picture has latents of " + std::to_string(width) + " x " +
                    std::to_string(height) + ", a picture before it " +
                    std::to_string(latents.width) + " x " + std::to_string(latents.height) +
                    "; another size needs a key picture");
  }
}

HyperExpectation expect_hyper(const Model& model, int quality, EarlierLatents earlier) {
  return earlier.empty() ? expect_nothing(model, quality)
                         : expect_same(model, quality, earlier[0].z_hat);
}

void add_time_context(const Model& model, int quality, EarlierLatents earlier,
                      HyperInformation& hyper) {
  const Network& network = model.time->network;
  const int height = hyper.prediction.height, width = hyper.prediction.width;
  expect_output_size(network, {height, width}, {height, width});
  const InputWriter input(model, quality, earlier, hyper);
  const int f = model.feature_channels, m = model.latent_channels;
  const size_t inputs = network.in_channels();
  const auto read = [&](int begin, int end, int16_t* rows) {
    for (int i = begin; i < end; ++i)
      for (int j = 0; j < width; ++j, rows += inputs) input.write(i, j, rows);
  };
  // A row is read once, and before its result is written: the same arrays can take the results.
  const auto write = [&](int begin, int end, const int16_t* rows) {
    for (int i = begin; i < end; ++i) {
      for (int j = 0; j < width; ++j, rows += f + m) {
        add_clamped(rows, f, model.time->feature_lo, model.time->feature_hi,
                    hyper.features.at(i, j));
        add_clamped(rows + f, m, -INT16_MAX, INT16_MAX, hyper.prediction.at(i, j));
      }
    }
  };
  network.run_rows(height, width, INT64_MAX, {.read = read}, {.write = write});
}

}  // namespace samebits
