#include "codec/model.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "codec/context_sums.h"
#include "codec/time_context.h"
#include "nn/requantize.h"
#include "nn/weights_file.h"

namespace samebits {
namespace {

constexpr int kWeightsVersion = 1;
constexpr int kConfigSize = 16;
constexpr int kConfigUsed = 8;
constexpr int kMaxProxyShift = 15;
constexpr int kPixelLo = -128, kPixelHi = 127;

[[noreturn]] void refuse(const std::string& message) {
  fail(ErrorKind::invalid_argument, "weights file: " + message);
}

int checked(const std::string& name, int64_t value, int64_t lo, int64_t hi) {
  if (value >= lo && value <= hi) return static_cast<int>(value);
  refuse(name + " is " + std::to_string(value) + ", must be " + std::to_string(lo) + " to " +
         std::to_string(hi));
}

void check_all(const std::string& name, const std::vector<int32_t>& values, int64_t lo,
               int64_t hi) {
  for (int32_t value : values) checked("a value of " + name, value, lo, hi);
}

void read_config(const WeightsFile& file, Model& model) {
  const std::vector<int32_t> config = file.i32("config", {kConfigSize});
  checked("config version", config[0], kWeightsVersion, kWeightsVersion);
  model.latent_channels = checked("latent channels", config[1], 1, kMaxLatentChannels);
  model.hyper_channels = checked("hyper channels", config[2], 1, kMaxLatentChannels);
  model.feature_channels = checked("hyper features", config[3], 1, kMaxLatentChannels);
  model.context_channels = checked("context channels", config[4], 1, kMaxLatentChannels);
  model.proxy_shift = checked("proxy_shift", config[5], 0, kMaxProxyShift);
  checked("number of qualities", config[6], kQualities, kQualities);
  model.scale_rows = checked("scale rows", config[7], 1, CdfTables::kMaxRows);
  for (int i = kConfigUsed; i < kConfigSize; ++i)
    checked("a reserved config value", config[i], 0, 0);
}

QualityTable read_table(const WeightsFile& file, const std::string& name, int columns, int64_t lo,
                        int64_t hi) {
  QualityTable table{columns, file.i32(name, {kQualities, columns})};
  check_all(name, table.values, lo, hi);
  return table;
}

void read_gains(const WeightsFile& file, Model& model) {
  const int m = model.latent_channels, nz = model.hyper_channels;
  model.gain = read_table(file, "gain", m, 0, INT32_MAX);
  model.inverse_gain = read_table(file, "inverse_gain", m, 0, INT32_MAX);
  model.log2_gain = read_table(file, "log2_gain", m, INT32_MIN, INT32_MAX);
  model.z_gain = read_table(file, "z_gain", nz, 0, INT32_MAX);
  model.z_inverse_gain = read_table(file, "z_inverse_gain", nz, 0, INT32_MAX);
  model.z_row = read_table(file, "z_row", nz, 0, model.cdf.rows() - 1);
}

std::vector<uint32_t> read_sizes(const WeightsFile& file, const std::string& name, int64_t count) {
  const std::vector<int32_t> sizes = file.i32(name, {count});
  check_all(name, sizes, 1, kMaxLatentChannels);
  return {sizes.begin(), sizes.end()};
}

void read_groups(const WeightsFile& file, Model& model) {
  model.groups.latent_channels = model.latent_channels;
  model.groups.groups = read_sizes(file, "groups", -1);
  model.groups.phase_groups = read_sizes(file, "phase_groups", kPhases);
  // Both must make schedules, whatever the streams will ask for.
  for (int phases : {0, 3}) {
    make_schedule(ScheduleSpec{2, phases, {}}, model.groups, ErrorKind::invalid_argument);
  }
}

void read_context(const WeightsFile& file, Model& model) {
  const int c1 = model.context_channels;
  const int inputs = 2 * model.latent_channels + model.feature_channels;
  ContextLayer& context = model.context;
  context.weight = file.i16("context.weight", {c1, 3, 3, inputs});
  context.bias = read_table(file, "context.bias", c1, INT32_MIN, INT32_MAX);
  context.multiplier = file.i32("context.multiplier", {c1});
  check_all("context.multiplier", context.multiplier, 0, kMaxMultiplier);
  context.shift = file.i32("context.shift", {c1});
  check_all("context.shift", context.shift, kMinShift, kMaxShift);
  const std::vector<int32_t> range = file.i32("context.clamp", {2});
  context.hi = checked("context.clamp hi", range[1], INT16_MIN, INT16_MAX);
  context.lo = checked("context.clamp lo", range[0], INT16_MIN, context.hi);
  context.leaky = checked("context.leaky", file.i32("context.leaky", {1})[0], -1, kMaxLeaky);
}

void check_context_bound(const Model& model) {
  const int64_t bound = context_bound(model);
  if (bound <= INT32_MAX) return;
  refuse("the accumulators of the context layer can reach " + std::to_string(bound) +
         ", 2^31 is not below (arithmetic.md 6)");
}

void expect_channels(const std::string& name, const Network& network, int channels) {
  if (network.out_channels() == channels) return;
  refuse("network " + name + " has " + std::to_string(network.out_channels()) +
         " output channels, must have " + std::to_string(channels));
}

// A network must scale sizes by up / down. Eight sizes in each direction find honest mistakes; see
// expect_output_size for the others.
void expect_scale(const std::string& name, const Network& network, int up, int down) {
  for (int i = 1; i <= 8; ++i) {
    try {
      expect_output_size(network, {i * down, (9 - i) * down}, {i * up, (9 - i) * up});
    } catch (const Error& error) {
      refuse("network " + name + ": " + error.what());
    }
  }
}

void read_networks(const WeightsFile& file, Model& model) {
  const int m = model.latent_channels;
  model.analysis = Network::load(file, "g_a", 3, kPixelLo, kPixelHi);
  expect_channels("g_a", model.analysis, m);
  expect_scale("g_a", model.analysis, 1, kLatentStride);

  // h_a also reads the zeros that y is extended with.
  const int y_lo = std::min(model.analysis.out_lo(), 0),
            y_hi = std::max(model.analysis.out_hi(), 0);
  model.hyper_analysis = Network::load(file, "h_a", m, y_lo, y_hi);
  expect_channels("h_a", model.hyper_analysis, model.hyper_channels);
  expect_scale("h_a", model.hyper_analysis, 1, kHyperStride);

  model.hyper_synthesis = Network::load(file, "h_s", model.hyper_channels, -INT16_MAX, INT16_MAX);
  expect_channels("h_s", model.hyper_synthesis, model.feature_channels + m);
  expect_scale("h_s", model.hyper_synthesis, kHyperStride, 1);

  model.synthesis = Network::load(file, "g_s", m, -INT16_MAX, INT16_MAX);
  expect_channels("g_s", model.synthesis, 3);
  expect_scale("g_s", model.synthesis, kLatentStride, 1);
  if (model.synthesis.out_lo() < kPixelLo || model.synthesis.out_hi() > kPixelHi) {
    refuse("network g_s can give " + std::to_string(model.synthesis.out_lo()) + " to " +
           std::to_string(model.synthesis.out_hi()) + ", its last clamp must keep -128 to 127");
  }

  model.entropy =
      Network::load(file, "entropy", model.context_channels, model.context.lo, model.context.hi);
  expect_channels("entropy", model.entropy, 2 * m);
  if (!model.entropy.pointwise()) {
    refuse("network entropy must be a chain of 1 x 1 convolutions");
  }
}

void read_lmbda(const WeightsFile& file, Model& model) {
  if (!file.has("lmbda")) return;
  model.lmbda_q24 = file.i32("lmbda", {kQualities});
  check_all("lmbda", model.lmbda_q24, 1, INT32_MAX);
}

// The features that it corrects keep to the range of the hyper-synthesis, for which the context
// layer is proven.
void read_time(const WeightsFile& file, Model& model) {
  if (!file.has("time.program")) return;
  TimeNetwork time;
  time.network = Network::load(file, "time", time_inputs(model), -kMaxProxy, kMaxProxy);
  expect_channels("time", time.network, model.feature_channels + model.latent_channels);
  expect_scale("time", time.network, 1, 1);
  const std::vector<int32_t> range = file.i32("time.clamp", {2});
  const int lo = model.hyper_synthesis.out_lo(), hi = model.hyper_synthesis.out_hi();
  time.feature_hi = checked("time.clamp hi", range[1], lo, hi);
  time.feature_lo = checked("time.clamp lo", range[0], lo, time.feature_hi);
  time.z_row = read_table(file, "time.z_row", model.hyper_channels, 0, model.cdf.rows() - 1);
  model.time = std::move(time);
}

CdfTables read_cdf(const WeightsFile& file) {
  return CdfTables(file.u16("cdf.starts", {-1}), file.i32("cdf.row_begin", {-1}),
                   file.i32("cdf.min_symbol", {-1}));
}

}  // namespace

Model Model::load(std::vector<uint8_t> weights_file) {
  const WeightsFile file = WeightsFile::parse(std::move(weights_file));
  Model model;
  model.sha256 = file.sha256();
  read_config(file, model);
  model.cdf = read_cdf(file);
  checked("scale rows", model.scale_rows, 1, model.cdf.rows());
  read_gains(file, model);
  read_groups(file, model);
  read_context(file, model);
  read_networks(file, model);
  read_time(file, model);
  read_lmbda(file, model);
  check_context_bound(model);
  model.values = ValueHead::load(file, model);
  model.layers = std::make_shared<StepLayers>(model);
  return model;
}

void expect_output_size(const Network& network, Network::Size in, Network::Size out) {
  const Network::Size found = network.output_size(in.height, in.width);
  if (found.height == out.height && found.width == out.width) return;
  const auto text = [](Network::Size size) {
    return std::to_string(size.height) + " x " + std::to_string(size.width);
  };
  fail(ErrorKind::invalid_argument, "a network gives " + text(found) + " for an input of " +
                                        text(in) + ", must give " + text(out));
}

}  // namespace samebits
