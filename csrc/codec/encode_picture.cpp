#include "codec/encode_picture.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "codec/decode_picture.h"
#include "codec/hyper_latents.h"
#include "codec/working_set.h"
#include "entropy/cost.h"
#include "entropy/range_coder.h"

namespace samebits {
namespace {

constexpr int kMaxDeadzone = 256;
constexpr int kColors = 3;

void check_range(const char* name, int64_t value, int64_t lo, int64_t hi) {
  if (value >= lo && value <= hi) return;
  fail(ErrorKind::invalid_argument, std::string(name) + " is " + std::to_string(value) +
                                        ", must be " + std::to_string(lo) + " to " +
                                        std::to_string(hi));
}

void check_arguments(const PictureView& picture, const EncodeOptions& options) {
  check_range("width", picture.width, 1, kMaxSide);
  check_range("height", picture.height, 1, kMaxSide);
  check_range("quality", options.quality, 0, kMaxQuality);
  check_range("deadzone_q8", options.deadzone_q8, 0, kMaxDeadzone);
  check_range("refine rounds", options.refine.rounds, 0, kMaxRefineRounds);
  check_range("refine lmbda", options.refine.lmbda_q24, 0, INT32_MAX);
}

// What EncodeResult::source holds; a search has that of its best and that of its last file.
int64_t source_bytes(const Model& model, const LatentSizes& sizes, const RefineOptions& refine) {
  const int64_t z = int64_t{sizes.hyper_height} * sizes.hyper_width * model.hyper_channels;
  const int files = refine.rounds > 0 || refine.given != nullptr ? 2 : 1;
  return files * (latent_bytes(model, sizes) + z * int64_t{sizeof(int32_t)});
}

void check_memory(const Model& model, const LatentSizes& sizes, const Schedule& schedule,
                  const EncodeOptions& options, size_t earlier, const Limits& limits) {
  const int64_t y = latent_bytes(model, sizes);
  const int64_t elements = y / int64_t{sizeof(int16_t)};
  const int64_t batches = elements * int64_t{sizeof(int32_t) + sizeof(uint8_t)};
  const int64_t hyper_analysis = model.hyper_analysis.strip_bytes(sizes.hyper_height * kHyperStride,
                                                                  sizes.hyper_width * kHyperStride);
  // The coder's words and their places are at most 6 bytes for 16 bits, and an element seldom has
  // more than 8 bits.
  const int64_t coder = elements * 3;
  const int64_t analysis = model.analysis.smallest_strip_bytes(sizes.height * kLatentStride,
                                                               sizes.width * kLatentStride);
  int64_t needed = std::max({y + analysis, y + hyper_analysis, y + hyper_bytes(model, sizes),
                             y + time_bytes(model, sizes, earlier),
                             y + step_loop_bytes(model, sizes, schedule, options.values) + batches,
                             2 * y + batches + coder});
  if (options.refine.rounds > 0) {
    const int64_t hyper = (y / int64_t{sizeof(int16_t)}) / model.latent_channels *
                          (model.feature_channels + model.latent_channels) *
                          int64_t{sizeof(int16_t)};
    needed = std::max(needed, y + hyper + refine_bytes(model, sizes, schedule));
  }
  if (options.keep_source) needed += source_bytes(model, sizes, options.refine);
  check_bytes(needed + earlier_bytes(model, sizes, earlier), limits, "encoding this picture");
}

uint64_t bits_q16(const CostTable& costs, const std::vector<Batch>& batches) {
  uint64_t bits = 0;
  for (const Batch& batch : batches) bits += costs.sum_q16(batch.symbols, batch.rows);
  return bits;
}

// The payload of all symbols; notes what they cost.
std::vector<uint8_t> code_symbols(const Model& model, const Batch& z, StepQuantizer& quantizer,
                                  EncodeResult& result) {
  const std::vector<Batch> steps = quantizer.take_batches();
  const std::vector<CodedIntervals> value_steps = quantizer.take_intervals();
  const CostTable costs(model.cdf);
  result.z_bits_q16 = costs.sum_q16(z.symbols, z.rows);
  result.y_bits_q16 = bits_q16(costs, steps);
  for (const CodedIntervals& step : value_steps) result.y_bits_q16 += step.bits_q16();
  result.lanes = lanes_for_bytes((result.z_bits_q16 + result.y_bits_q16) >> (16 + 3));
  RangeEncoder encoder(model.cdf, result.lanes);
  encoder.encode(z.symbols, z.rows);
  for (const Batch& step : steps) encoder.encode(step.symbols, step.rows);
  for (const CodedIntervals& step : value_steps) encoder.encode(step);
  std::vector<uint8_t> payload = encoder.finish();
  result.payload_bytes = payload.size();
  return payload;
}

int64_t squared_error(const PictureView& picture, const Picture& decoded, ErrorWeights weights) {
  int64_t sum = 0;
  for (size_t i = 0; i < decoded.samples.size(); ++i) {
    const int error = int{decoded.samples[i]} - picture.rgb[i];
    sum += int64_t{error} * error * (weights.q8 == nullptr ? 256 : weights.q8[i / kColors]);
  }
  return sum / 256;
}

Header make_header(const PictureView& picture, const Model& model, const EncodeOptions& options,
                   bool time, uint32_t crc) {
  Header header;
  header.grey = options.grey;
  header.time = time;
  header.model_id = model.id();
  header.quality = options.quality;
  header.schedule = options.schedule;
  header.values = options.values;
  header.width = static_cast<uint32_t>(picture.width);
  header.height = static_cast<uint32_t>(picture.height);
  header.latent_crc = crc;
  return header;
}

}  // namespace

void StepQuantizer::code(const Step& step, const StepParameters& parameters, int64_t begin,
                         int64_t end, std::span<int32_t> symbols) {
  const int32_t* gain = model_.gain.row(quality_);
  int64_t first = 0;  // of the rectangle
  for (const Rect& rect : step) {
    const MaskedPositions positions(y_.height, y_.width, rect.phase_mask);
    const int channels = rect.channels();
    const int64_t last = first + positions.count() * channels;
    for (int64_t i = std::max(begin, first); i < std::min(end, last);) {
      const Position p = positions.at((i - first) / channels);
      const int16_t* y = y_.at(p.row, p.column);
      int channel = rect.channel_begin + static_cast<int>((i - first) % channels);
      for (; channel < rect.channel_end && i < end; ++channel, ++i) {
        symbols[i] =
            quantize(y[channel] - parameters.mean[i], gain[channel], deadzone_q8_, kMaxSymbol);
      }
    }
    first = last;
  }
  if (value_rows_) {
    keep_intervals(parameters, begin, end, symbols);
  } else if (end == first) {
    batches_.push_back({{symbols.begin(), symbols.end()}, parameters.row});
  }
}

void StepQuantizer::keep_intervals(const StepParameters& parameters, int64_t begin, int64_t end,
                                   std::span<const int32_t> symbols) {
  if (begin == 0) intervals_.emplace_back(model_.cdf);
  const std::span<const uint8_t> rows = std::span(parameters.row).subspan(begin, end - begin);
  const std::span<const int32_t> stretch = symbols.subspan(begin, end - begin);
  value_rows_->for_stretches(
      rows, parameters.coefficients.data() + begin * value_rows_->coefficients(),
      [&](size_t first, size_t count, const ValueRows& values) {
        intervals_.back().add(stretch.subspan(first, count), rows.subspan(first, count), values);
      });
}

namespace {

// Hyper-latents and what they say.
struct Hyper {
  Batch z;
  Tensor<int16_t> z_hat;
  HyperInformation information;
};

class PictureEncoder {
 public:
  PictureEncoder(const PictureView& picture, const Model& model, const EncodeOptions& options,
                 const Limits& limits, EarlierLatents earlier)
      : picture_(picture),
        model_(model),
        options_(options),
        limits_(limits),
        earlier_(earlier),
        schedule_(make_schedule(options.schedule, model.groups, ErrorKind::invalid_argument)),
        values_(value_head_for(model, options.values, ErrorKind::invalid_argument)),
        sizes_(latent_sizes(picture.height, picture.width)) {
    if (!earlier.empty()) {
      check_earlier(model, earlier, sizes_.height, sizes_.width, ErrorKind::invalid_argument);
    }
    check_memory(model, sizes_, schedule_, options, earlier.size(), limits);
    expected_ = expect_hyper(model, options.quality, earlier);
  }

  EncodeResult run() const {
    const Tensor<int16_t> y =
        analyze(model_, picture_, sizes_, limits_.max_bytes - latent_bytes(model_, sizes_));
    Hyper hyper = hyper_of(hyper_symbols(model_, options_.quality, y, sizes_, expected_));
    const RefineOptions& refine = options_.refine;
    if (refine.rounds == 0 && refine.given == nullptr) return code(y, std::move(hyper));

    if (refine.keep_given && refine.given != nullptr) {
      check_given(*refine.given);
      return code(refine.given->y, hyper_of(refine.given->z_symbols.data));
    }
    EncodeResult best = code(y, Hyper(hyper));
    best.cost_q16 = cost(best);
    const auto offer = [&](EncodeResult&& coded) {
      coded.cost_q16 = cost(coded);
      if (coded.cost_q16 < best.cost_q16) best = std::move(coded);
    };
    if (refine.given != nullptr) {
      check_given(*refine.given);
      hyper = hyper_of(refine.given->z_symbols.data);
      offer(code(refine.given->y, Hyper(hyper)));
    }
    if (refine.rounds > 0) {
      const Tensor<int16_t> refined =
          refine_latents(model_, picture_, options_.quality, schedule_, hyper.information,
                         refine.given != nullptr ? refine.given->y : y, refine);
      offer(code(refined, std::move(hyper)));
    }
    return best;
  }

 private:
  Hyper hyper_of(std::vector<int32_t> symbols) const {
    Hyper hyper{{std::move(symbols), hyper_rows(model_, sizes_, expected_)}, {}, {}};
    hyper.z_hat = dequantize_hyper(model_, options_.quality, hyper.z.symbols, sizes_, expected_);
    hyper.information = synthesize_hyper(model_, hyper.z_hat, sizes_);
    if (!earlier_.empty()) {
      add_time_context(model_, options_.quality, earlier_, hyper.information);
    }
    return hyper;
  }

  EncodeResult code(const Tensor<int16_t>& y, Hyper&& hyper) const {
    const int quality = options_.quality;
    StepQuantizer quantizer(model_, values_, quality, options_.deadzone_q8, y);
    EncodeResult result;
    if (options_.keep_source) {
      result.source.y = y;
      result.source.z_symbols =
          Tensor<int32_t>(sizes_.hyper_height, sizes_.hyper_width, model_.hyper_channels);
      result.source.z_symbols.data = hyper.z.symbols;
    }
    result.latents.y_hat =
        code_latents(model_, values_, quality, schedule_, std::move(hyper.information), quantizer);
    result.latents.z_hat = std::move(hyper.z_hat);
    const std::vector<uint8_t> payload = code_symbols(model_, hyper.z, quantizer, result);
    result.steps = static_cast<int>(schedule_.size());
    const Header header = make_header(picture_, model_, options_, !earlier_.empty(),
                                      latent_crc(result.latents.y_hat));
    result.stream = write_stream(header, options_.chunks, payload);
    return result;
  }

  // Of the file as it is and the picture that it decodes to.
  int64_t cost(const EncodeResult& coded) const {
    const Picture decoded = synthesize(model_, coded.latents.y_hat, picture_.width, picture_.height,
                                       kColors, limits_.max_bytes);
    return weighed_q16(uint64_t{coded.stream.size()} << (3 + 16),
                       squared_error(picture_, decoded, options_.refine.weights),
                       lmbda_of(model_, options_.quality, options_.refine));
  }

  void check_given(const SourceLatents& given) const {
    const auto check = [](const auto& tensor, const char* name, int height, int width,
                          int channels) {
      if (tensor.height == height && tensor.width == width && tensor.channels == channels) return;
      fail(ErrorKind::invalid_argument, std::string(name) + " of this picture must be " +
                                            std::to_string(height) + " x " + std::to_string(width) +
                                            " x " + std::to_string(channels));
    };
    check(given.y, "the latents", sizes_.height, sizes_.width, model_.latent_channels);
    check(given.z_symbols, "the hyper-latents", sizes_.hyper_height, sizes_.hyper_width,
          model_.hyper_channels);
    for (int32_t k : given.z_symbols.data) {
      check_range("a hyper-latent", k, -kMaxHyperSymbol, kMaxHyperSymbol);
    }
    if (!earlier_.empty()) {
      fail(ErrorKind::invalid_argument, "latents cannot be given for a picture of a series");
    }
  }

  const PictureView& picture_;
  const Model& model_;
  const EncodeOptions& options_;
  const Limits& limits_;
  EarlierLatents earlier_;
  Schedule schedule_;
  const ValueHead* values_;
  LatentSizes sizes_;
  HyperExpectation expected_;
};

}  // namespace

EncodeResult encode_picture(const PictureView& picture, const Model& model,
                            const EncodeOptions& options, const Limits& limits,
                            EarlierLatents earlier) {
  check_arguments(picture, options);
  check_pixels(picture.width, picture.height, limits);
  return PictureEncoder(picture, model, options, limits, earlier).run();
}

}  // namespace samebits
