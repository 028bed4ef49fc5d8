// Refined files: never dearer than plain ones, the same on every target and thread count, and
// decoded like any other.
#include <string>
#include <vector>

#include "base/threads.h"
#include "check.h"
#include "codec/decode_picture.h"
#include "codec/encode_picture.h"
#include "codec_tiny_model.h"
#include "nn/target.h"

using namespace samebits;

namespace {

constexpr int64_t kLmbda = 1 << 14;

struct Tried {
  std::vector<uint8_t> stream;
  int64_t cost = 0;
};

Tried encode(const Model& model, int height, int width, int quality, int rounds) {
  const std::vector<uint8_t> rgb = tiny_picture(height, width, 3);
  EncodeOptions options;
  options.quality = quality;
  options.refine.rounds = rounds;
  options.refine.lmbda_q24 = kLmbda;
  Tried tried;
  tried.stream = encode_picture({rgb.data(), width, height}, model, options, Limits{}).stream;
  const Picture decoded = decode_picture(tried.stream, model, Limits{}).picture;
  int64_t squared_error = 0;
  for (size_t i = 0; i < rgb.size(); ++i) {
    const int error = int{decoded.samples[i]} - rgb[i];
    squared_error += error * error;
  }
  tried.cost = weighed_q16(uint64_t{tried.stream.size()} << 19, squared_error, kLmbda);
  return tried;
}

void cheaper(const Model& model) {
  int gained = 0;
  for (const auto& [height, width] : {std::pair(1, 1), {40, 70}, {33, 200}, {130, 65}}) {
    for (int quality : {0, 50, 100}) {
      const Tried plain = encode(model, height, width, quality, 0);
      const Tried refined = encode(model, height, width, quality, 6);
      CHECK(refined.cost <= plain.cost);
      gained += refined.cost < plain.cost;
    }
  }
  CHECK(gained > 4);
}

void the_same_everywhere(const Model& model) {
  std::vector<uint8_t> first;
  for (const std::string& target : targets()) {
    for (int threads : {1, 2, 7}) {
      set_target(target);
      set_thread_count(threads);
      // More than one tile of latents in a direction.
      const std::vector<uint8_t> stream = encode(model, 40, 1100, 60, 3).stream;
      if (first.empty()) first = stream;
      CHECK(stream == first);
    }
  }
}

void refused(const Model& model) {
  const std::vector<uint8_t> rgb = tiny_picture(400, 400, 3);
  const PictureView picture{rgb.data(), 400, 400};
  EncodeOptions options;
  options.refine.rounds = 3;
  CHECK_FAILS(invalid_argument, "lmbda", encode_picture(picture, model, options, Limits{}));
  options.refine.lmbda_q24 = -1;
  CHECK_FAILS(invalid_argument, "lmbda", encode_picture(picture, model, options, Limits{}));
  options.refine.rounds = kMaxRefineRounds + 1;
  options.refine.lmbda_q24 = kLmbda;
  CHECK_FAILS(invalid_argument, "rounds", encode_picture(picture, model, options, Limits{}));
  options.refine.rounds = 3;
  CHECK_FAILS(limit_exceeded, "memory", encode_picture(picture, model, options, {1 << 20, 400000}));
}

}  // namespace

int main() {
  const Model model = tiny_model();
  cheaper(model);
  the_same_everywhere(model);
  refused(model);
}
