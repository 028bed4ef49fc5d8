// A probability per value in the step loop: round trips, the same latents as without, memory, and
// models that do not have the head.
#include "base/threads.h"
#include "codec/decode_picture.h"
#include "codec/encode_picture.h"
#include "codec/working_set.h"
#include "codec_tiny_model.h"

using namespace samebits;

namespace {

Model model_with_head(int radius, int coefficients) {
  TinyWeights weights(3);
  weights.add_value_head(radius, coefficients);
  return Model::load(weights.file());
}

EncodeResult encode(const Model& model, const std::vector<uint8_t>& rgb, int width, int height,
                    const ScheduleSpec& schedule, bool values) {
  EncodeOptions options;
  options.quality = 80;
  options.schedule = schedule;
  options.values = values;
  return encode_picture({rgb.data(), width, height}, model, options, Limits{});
}

void round_trips() {
  const int width = 180, height = 130;
  const std::vector<uint8_t> rgb = tiny_picture(height, width, 5);
  for (const auto& [radius, coefficients] : {std::pair{7, 4}, {3, 2}, {31, 16}}) {
    const Model model = model_with_head(radius, coefficients);
    for (const ScheduleSpec& schedule :
         {ScheduleSpec{0, 0, {}}, {2, 2, {4, 4}}, {2, 3, {}}, {6, 1, {3, 3, 2}, 0, 1}}) {
      const EncodeResult plain = encode(model, rgb, width, height, schedule, false);
      const EncodeResult coded = encode(model, rgb, width, height, schedule, true);
      CHECK(coded.stream != plain.stream);
      CHECK(coded.payload_bytes <= (coded.y_bits_q16 + coded.z_bits_q16) / (8 << 16) + 200);
      const DecodedLatents expected = decode_latents(plain.stream, model, Limits{});
      for (int threads : {1, 3}) {
        set_thread_count(threads);
        CHECK(encode(model, rgb, width, height, schedule, true).stream == coded.stream);
        const DecodedLatents latents = decode_latents(coded.stream, model, Limits{});
        CHECK(latents.header.values && !expected.header.values);
        CHECK(latents.y_hat.data == expected.y_hat.data);
      }
    }
  }
}

void memory() {
  const Model model = model_with_head(7, 4);
  const LatentSizes sizes = latent_sizes(160, 160);
  const Schedule all = make_schedule({0, 0, {}}, model.groups, ErrorKind::invalid_argument);
  const int64_t elements = 100 * TinyWeights::kLatents;
  CHECK(step_loop_bytes(model, sizes, all, true) - step_loop_bytes(model, sizes, all, false) ==
        elements * 4 * 2);
}

void refusals() {
  const Model plain = tiny_model(3);
  CHECK(!plain.values && plain.describe().find("values") == std::string::npos);
  CHECK(model_with_head(7, 4).describe().find("15 values and the escape") != std::string::npos);
  const std::vector<uint8_t> rgb = tiny_picture(20, 20, 1);
  CHECK_FAILS(invalid_argument, "has none", encode(plain, rgb, 20, 20, {}, true));
  TinyWeights weights(3);
  weights.add_value_head(7, 4);
  weights.values("values.shift")[0] = 31;
  CHECK_FAILS(invalid_argument, "shift is 31", Model::load(weights.file()));
  weights.values("values.shift")[0] = 0;
  weights.values("values.1.clamp") = {-32767, 32767};
  for (int32_t& shape : weights.values("values.shapes")) shape = 32767;
  CHECK_FAILS(invalid_argument, "2^31 is not below", Model::load(weights.file()));
}

}  // namespace

int main() {
  round_trips();
  memory();
  refusals();
}
