// Encode and decode with every schedule, target and several thread counts: the same bits as the
// first time, and the same as on the machine where the checksums below were written down.
#include <span>
#include <string>
#include <vector>

#include "base/crc32.h"
#include "base/threads.h"
#include "check.h"
#include "codec/decode_picture.h"
#include "codec/encode_picture.h"
#include "codec_tiny_model.h"
#include "nn/target.h"

using namespace samebits;

namespace {

struct Golden {
  ScheduleSpec schedule;
  int height, width, quality;
  uint32_t stream_crc, pixel_crc;
};

const std::vector<Golden>& golden() {
  static const std::vector<Golden> all = {
      {{0, 0, {}}, 1, 1, 50, 0x435C2FE0, 0xE8345A7B},
      {{0, 0, {}}, 70, 130, 0, 0x3D37C598, 0xDAA6CA41},
      {{2, 0, {}}, 64, 64, 30, 0x80D608FA, 0x65CD260F},
      {{2, 0, {3, 1, 4}}, 17, 200, 100, 0xB546E79A, 0xB0FD05B9},
      {{2, 2, {}}, 130, 70, 60, 0xFEAC6CEC, 0xF108A50E},
      {{2, 3, {}}, 200, 130, 80, 0x5074D2CC, 0xABF56CEC},
      {{2, 3, {2, 2, 2, 2}}, 33, 1, 100, 0x7895C762, 0x6DDCCF8E},
  };
  return all;
}

void check_golden(const Model& model, const Golden& g, const std::string& where) {
  const std::vector<uint8_t> rgb = tiny_picture(g.height, g.width, 3);
  EncodeOptions options;
  options.quality = g.quality;
  options.schedule = g.schedule;
  const EncodeResult encoded =
      encode_picture({rgb.data(), g.width, g.height}, model, options, Limits{});
  const DecodeResult decoded = decode_picture(encoded.stream, model, Limits{});
  CHECK(decoded.picture.width == g.width);
  CHECK(decoded.picture.height == g.height);
  CHECK(decoded.steps == encoded.steps);
  CHECK(decoded.lanes == encoded.lanes);
  // Without the stream's own checksum at its end, which would make this one a constant.
  const std::span<const uint8_t> body(encoded.stream.data(), encoded.stream.size() - 4);
  const uint32_t stream_crc = crc32(body), pixel_crc = crc32(decoded.picture.samples);
  if (stream_crc == g.stream_crc && pixel_crc == g.pixel_crc) return;
  std::fprintf(stderr, "%s, mode %d, phases %d, %d x %d: stream 0x%08X, pixels 0x%08X\n",
               where.c_str(), g.schedule.mode, g.schedule.phases, g.height, g.width, stream_crc,
               pixel_crc);
  std::exit(1);
}

// Any bytes end in a picture or an Error; sanitizers see the rest.
void damaged_streams(const Model& model) {
  const std::vector<uint8_t> rgb = tiny_picture(40, 50, 4);
  EncodeOptions options;
  const std::vector<uint8_t> stream =
      encode_picture({rgb.data(), 50, 40}, model, options, Limits{}).stream;
  Random random(9);
  int refused = 0;
  for (int n = 0; n < 3000; ++n) {
    std::vector<uint8_t> body(stream.begin(), stream.end() - 4);
    const int64_t flips = random.between(1, 4);
    for (int64_t i = 0; i < flips; ++i) {
      body[random.between(0, static_cast<int64_t>(body.size()) - 1)] ^=
          static_cast<uint8_t>(random.between(1, 255));
    }
    if (random.one_in(4)) body.resize(random.between(0, static_cast<int64_t>(body.size())));
    ByteWriter repaired;
    repaired.append(body);
    repaired.u32(crc32(body));
    try {
      decode_picture(repaired.bytes(), model, Limits{1 << 18, 1 << 24});
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 2900);
}

}  // namespace

int main() {
  const Model model = tiny_model();
  for (const std::string& target : targets()) {
    for (int threads : {1, 2, 7}) {
      set_target(target);
      set_thread_count(threads);
      for (const Golden& g : golden()) {
        check_golden(model, g, target + ", threads " + std::to_string(threads));
      }
    }
  }
  damaged_streams(model);
}
