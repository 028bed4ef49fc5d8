#include "codec/decode_picture.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/crc32.h"
#include "base/error.h"
#include "codec/hyper_latents.h"
#include "codec/latent_values.h"
#include "codec/step_loop.h"
#include "codec/working_set.h"
#include "entropy/range_coder.h"

namespace samebits {
namespace {

class StepDecoder : public StepCoder {
 public:
  StepDecoder(RangeDecoder& decoder, const ValueHead* values) : decoder_(decoder) {
    if (values != nullptr) value_rows_.emplace(*values);
  }

  void code(const Step&, const StepParameters& parameters, int64_t begin, int64_t end,
            std::span<int32_t> symbols) override {
    const std::span<int32_t> stretch = symbols.subspan(begin, end - begin);
    const std::span<const uint8_t> rows = std::span(parameters.row).subspan(begin, end - begin);
    if (value_rows_) {
      const int16_t* coefficients =
          parameters.coefficients.data() + begin * value_rows_->coefficients();
      value_rows_->for_stretches(
          rows, coefficients, [&](size_t first, size_t count, const ValueRows& values) {
            decoder_.decode(rows.subspan(first, count), values, stretch.subspan(first, count));
          });
    } else {
      decoder_.decode(rows, stretch);
    }
    for (int32_t symbol : stretch) {
      if (symbol >= -kMaxSymbol && symbol <= kMaxSymbol) continue;
      fail(ErrorKind::corrupt_stream, "a latent symbol is " + std::to_string(symbol) +
                                          ", no encoder writes more than 1048576; damaged stream?");
    }
  }

 private:
  RangeDecoder& decoder_;
  std::optional<ValueRowMaker> value_rows_;
};

std::string hex(const std::array<uint8_t, 3>& id) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (uint8_t byte : id) text += {digits[byte >> 4], digits[byte & 15]};
  return text;
}

// The earlier latents that this stream is to be decoded with: none if it does not ask for them.
EarlierLatents earlier_for(const Header& header, const Model& model, const LatentSizes& sizes,
                           EarlierLatents earlier) {
  if (!header.time) return {};
  if (earlier.empty()) {
    fail(ErrorKind::needs_series,
         "this stream is one picture of a series and needs the pictures before it; decode the "
         "series that it was taken from");
  }
  check_earlier(model, earlier, sizes.height, sizes.width, ErrorKind::corrupt_stream);
  return earlier;
}

void check_memory(const Model& model, const Header& header, const LatentSizes& sizes,
                  const Schedule& schedule, size_t earlier, const Limits& limits) {
  const int64_t pixels = int64_t{header.width} * header.height * (header.grey ? 1 : 3);
  const int64_t needed =
      std::max({hyper_bytes(model, sizes), time_bytes(model, sizes, earlier),
                step_loop_bytes(model, sizes, schedule, header.values),
                latent_bytes(model, sizes) + pixels +
                    model.synthesis.smallest_strip_bytes(sizes.height, sizes.width)});
  check_bytes(needed + earlier_bytes(model, sizes, earlier), limits, "decoding this picture");
}

Tensor<int16_t> decode_hyper(const Model& model, int quality, const LatentSizes& sizes,
                             EarlierLatents earlier, RangeDecoder& decoder) {
  const HyperExpectation expected = expect_hyper(model, quality, earlier);
  const std::vector<uint8_t> rows = hyper_rows(model, sizes, expected);
  std::vector<int32_t> symbols(rows.size());
  decoder.decode(rows, symbols);
  return dequantize_hyper(model, quality, symbols, sizes, expected);
}

void check_crc(const Tensor<int16_t>& y_hat, const Header& header) {
  if (latent_crc(y_hat) == header.latent_crc) return;
  fail(ErrorKind::corrupt_stream,
       "the decoded latents do not have the checksum that the stream gives, though its own "
       "checksum is right: the encoder or this decoder computes wrongly, please report it" +
           std::string(header.time ? ", or the pictures before it are not those of its series"
                                   : ""));
}

}  // namespace

void check_model(const Header& header, const Model& model) {
  if (header.model_id == model.id()) return;
  fail(ErrorKind::model_mismatch, "the stream was made with model " + hex(header.model_id) +
                                      ", this is model " + hex(model.id()) +
                                      "; decode it with the weights file it was made with");
}

uint32_t latent_crc(const Tensor<int16_t>& y_hat) {
  std::vector<uint8_t> row(static_cast<size_t>(y_hat.width) * y_hat.channels * 2);
  uint32_t crc = 0;
  for (int i = 0; i < y_hat.height; ++i) {
    const int16_t* values = y_hat.at(i, 0);
    for (size_t n = 0; n < row.size(); n += 2) {
      const uint16_t value = static_cast<uint16_t>(values[n / 2]);
      row[n] = static_cast<uint8_t>(value);
      row[n + 1] = static_cast<uint8_t>(value >> 8);
    }
    crc = crc32(row, crc);
  }
  return crc;
}

DecodedLatents decode_latents(std::span<const uint8_t> stream, const Model& model,
                              const Limits& limits, EarlierLatents earlier) {
  ParsedStream parsed = parse_stream(stream);
  const Header& header = parsed.header;
  check_pixels(header.width, header.height, limits);
  check_model(header, model);
  const Schedule schedule = make_schedule(header.schedule, model.groups, ErrorKind::corrupt_stream);
  const ValueHead* const values = value_head_for(model, header.values, ErrorKind::corrupt_stream);
  const LatentSizes sizes = latent_sizes(header.height, header.width);
  earlier = earlier_for(header, model, sizes, earlier);
  check_memory(model, header, sizes, schedule, earlier.size(), limits);

  RangeDecoder decoder(model.cdf, parsed.payload);
  Tensor<int16_t> z_hat = decode_hyper(model, header.quality, sizes, earlier, decoder);
  HyperInformation hyper = synthesize_hyper(model, z_hat, sizes);
  if (!earlier.empty()) add_time_context(model, header.quality, earlier, hyper);
  StepDecoder steps(decoder, values);
  Tensor<int16_t> y_hat =
      code_latents(model, values, header.quality, schedule, std::move(hyper), steps);
  decoder.finish();
  check_crc(y_hat, header);
  return {std::move(y_hat),
          std::move(z_hat),
          header,
          std::move(parsed.chunks),
          static_cast<int>(schedule.size()),
          decoder.lanes()};
}

DecodeResult decode_picture(std::span<const uint8_t> stream, const Model& model,
                            const Limits& limits, EarlierLatents earlier) {
  DecodedLatents latents = decode_latents(stream, model, limits, earlier);
  const Header& header = latents.header;
  const int width = static_cast<int>(header.width), height = static_cast<int>(header.height);
  const int channels = header.grey ? 1 : 3;
  const int64_t arrays = 1 + static_cast<int64_t>(header.time ? earlier.size() : 0);
  const int64_t held = static_cast<int64_t>(latents.y_hat.data.size()) * 2 * arrays +
                       int64_t{width} * height * channels;
  Picture picture =
      synthesize(model, latents.y_hat, width, height, channels, limits.max_bytes - held);
  PictureLatents kept{std::move(latents.y_hat), std::move(latents.z_hat)};
  return {std::move(picture),        std::move(kept), header,
          std::move(latents.chunks), latents.steps,   latents.lanes};
}

}  // namespace samebits
