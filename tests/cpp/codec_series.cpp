// Series: pictures that know those before them. Decoder equals encoder on every target and number
// of threads, the time masks are what arithmetic.md 4 says, and pictures out of place are refused.
#include <string>
#include <vector>

#include "base/crc32.h"
#include "base/threads.h"
#include "check.h"
#include "codec/series.h"
#include "codec_tiny_model.h"
#include "nn/target.h"

using namespace samebits;

namespace {

constexpr int kHeight = 70, kWidth = 90;

const Model& model() {
  static const Model loaded = [] {
    TinyWeights weights(1);
    weights.add_time();
    return Model::load(weights.file());
  }();
  return loaded;
}

using Streams = std::vector<std::vector<uint8_t>>;

EncodeResult encode(SeriesEncoder& encoder, uint64_t seed, int height = kHeight) {
  const std::vector<uint8_t> rgb = tiny_picture(height, kWidth, seed);
  EncodeOptions options;
  options.quality = 60;
  return encoder.encode({rgb.data(), kWidth, height}, options, Limits{});
}

Streams encode_series(int count, int key_every) {
  SeriesEncoder encoder(model(), key_every, Keys::regular);
  Streams streams;
  for (int n = 0; n < count; ++n) streams.push_back(encode(encoder, n).stream);
  return streams;
}

bool is_key(const std::vector<uint8_t>& stream) {
  return !parse_stream(stream).header.time;
}

uint32_t pixels_crc(SeriesDecoder& decoder, const std::vector<uint8_t>& stream) {
  return crc32(decoder.decode(stream, Limits{}).picture.samples);
}

void test_same_bits_everywhere() {
  Streams expected;
  std::vector<uint32_t> pixels;
  for (const std::string& name : targets()) {
    set_target(name);
    for (int threads : {1, 3}) {
      set_thread_count(threads);
      const Streams streams = encode_series(5, 4);
      if (expected.empty()) expected = streams;
      CHECK(streams == expected);
      SeriesDecoder decoder(model());
      for (size_t n = 0; n < streams.size(); ++n) {
        CHECK(is_key(streams[n]) == (n % 4 == 0));
        const uint32_t crc = pixels_crc(decoder, streams[n]);
        if (n == pixels.size()) pixels.push_back(crc);
        CHECK(crc == pixels[n]);
      }
    }
  }
}

// Corrections of one input position, computed from the definition.
struct Corrected {
  std::vector<int16_t> features, prediction;
};

Corrected by_definition(const HyperInformation& hyper, const std::vector<PictureLatents>& earlier,
                        int quality) {
  const int h = hyper.prediction.height, w = hyper.prediction.width;
  const int f = TinyWeights::kFeatures, m = TinyWeights::kLatents;
  Tensor<int16_t> in(h, w, f + 3 * m + 3);
  const auto q = [](int v) {
    const int rounded = (v + 1) >> 1;  // proxy_shift is 1
    return static_cast<int16_t>(rounded < -8191 ? -8191 : rounded > 8191 ? 8191 : rounded);
  };
  for (int i = 0; i < h; ++i) {
    for (int j = 0; j < w; ++j) {
      int16_t* to = in.at(i, j);
      for (int c = 0; c < f; ++c) *to++ = hyper.features.at(i, j)[c];
      for (int c = 0; c < m; ++c) *to++ = q(hyper.prediction.at(i, j)[c]);
      for (size_t n = 0; n < 2; ++n) {
        const bool known = n < earlier.size();
        for (int c = 0; c < m; ++c) *to++ = known ? q(earlier[n].y_hat.at(i, j)[c]) : 0;
        *to++ = known ? 256 : 0;
      }
      *to = static_cast<int16_t>(64 * quality);
    }
  }
  const Tensor<int16_t> out = model().time->network.run(in);
  Corrected corrected;
  for (int i = 0; i < h * w; ++i) {
    const int16_t* add = out.data.data() + i * (f + m);
    for (int c = 0; c < f; ++c) {
      const int v = hyper.features.data[i * f + c] + add[c];
      corrected.features.push_back(static_cast<int16_t>(v < -7000 ? -7000 : v > 7000 ? 7000 : v));
    }
    for (int c = 0; c < m; ++c)
      corrected.prediction.push_back(clamp16(hyper.prediction.data[i * m + c] + add[f + c]));
  }
  return corrected;
}

void test_definition() {
  Random random(5);
  const auto fill = [&](Tensor<int16_t>& t, int limit) {
    for (int16_t& v : t.data) v = static_cast<int16_t>(random.between(-limit, limit));
  };
  const int h = 37, w = 5;
  for (size_t count : {1, 2}) {
    HyperInformation hyper{Tensor<int16_t>(h, w, TinyWeights::kFeatures),
                           Tensor<int16_t>(h, w, TinyWeights::kLatents)};
    fill(hyper.features, 8000);
    fill(hyper.prediction, 32767);
    std::vector<PictureLatents> earlier(count);
    for (PictureLatents& latents : earlier) {
      latents.y_hat = Tensor<int16_t>(h, w, TinyWeights::kLatents);
      fill(latents.y_hat, 32767);
    }
    const Corrected expected = by_definition(hyper, earlier, 77);
    add_time_context(model(), 77, earlier, hyper);
    CHECK(hyper.features.data == expected.features);
    CHECK(hyper.prediction.data == expected.prediction);
  }
}

void test_time_masks() {
  // A key picture knows none before it; the second picture one, all others two.
  const Streams streams = encode_series(3, 32);
  SeriesDecoder in_order(model());
  RecentLatents recent;
  for (const std::vector<uint8_t>& stream : streams) {
    DecodedLatents decoded = decode_latents(stream, model(), Limits{}, recent.view());
    const DecodeResult found = in_order.decode(stream, Limits{});
    CHECK(found.header.latent_crc == latent_crc(decoded.y_hat));
    if (&stream != &streams.back()) recent.push({decoded.y_hat, decoded.z_hat});
  }
  // With one picture instead of two the third has other latents: its checksum says so.
  CHECK_FAILS(corrupt_stream, "not those of its series",
              decode_latents(streams[2], model(), Limits{}, recent.view().first(1)));
}

// The hyper-latents of a still picture are what was expected: nearly no bits.
void test_hyper_latents_of_a_still_picture() {
  SeriesEncoder encoder(model(), 32, Keys::regular);
  const EncodeResult first = encode(encoder, 1), second = encode(encoder, 1);
  CHECK(2 * second.z_bits_q16 < first.z_bits_q16);
}

void test_pictures_out_of_place() {
  const Streams streams = encode_series(4, 3);
  CHECK_FAILS(needs_series, "one picture of a series", decode_picture(streams[1], model(), {}));
  SeriesDecoder decoder(model());
  CHECK_FAILS(needs_series, "one picture of a series", decoder.decode(streams[1], Limits{}));
  const uint32_t key = pixels_crc(decoder, streams[0]);
  CHECK_FAILS(corrupt_stream, "not those of its series", decoder.decode(streams[2], Limits{}));
  CHECK_FAILS(needs_series, "pictures before it", decoder.decode(streams[1], Limits{}));
  pixels_crc(decoder, streams[3]);  // a key picture
  CHECK(pixels_crc(decoder, streams[0]) == key);
}

void test_another_size_begins_anew() {
  SeriesEncoder encoder(model(), 32, Keys::regular);
  SeriesDecoder decoder(model());
  Streams streams;
  for (int height : {70, 70, 50, 50}) streams.push_back(encode(encoder, 1, height).stream);
  CHECK(is_key(streams[0]) && !is_key(streams[1]) && is_key(streams[2]) && !is_key(streams[3]));
  for (const std::vector<uint8_t>& stream : streams) decoder.decode(stream, Limits{});
  decoder.decode(streams[0], Limits{});
  CHECK_FAILS(corrupt_stream, "another size", decoder.decode(streams[3], Limits{}));
}

// The model has learned nothing: pictures are mostly smaller alone.
void test_adaptive_keys() {
  SeriesEncoder regular(model(), 32, Keys::regular), adaptive(model(), 32);
  SeriesDecoder decoder(model());
  size_t regular_bytes = 0, adaptive_bytes = 0;
  for (uint64_t seed : {1, 2, 3, 4}) {
    regular_bytes += encode(regular, seed).stream.size();
    const EncodeResult chosen = encode(adaptive, seed);
    adaptive_bytes += chosen.stream.size();
    decoder.decode(chosen.stream, Limits{});
  }
  CHECK(adaptive_bytes < regular_bytes);
}

void test_models() {
  const Model without = tiny_model();
  CHECK(!without.time);
  CHECK_FAILS(invalid_argument, "no network `time`", SeriesEncoder(without, 2));
  SeriesEncoder alone(without, 1);
  CHECK(is_key(encode(alone, 1).stream) && is_key(encode(alone, 2).stream));

  const auto refused = [](const char* part, const auto& change) {
    TinyWeights weights(1);
    weights.add_time();
    change(weights);
    CHECK_FAILS(invalid_argument, part, Model::load(weights.file()));
  };
  refused("time.clamp hi", [](TinyWeights& w) { w.values("time.clamp")[1] = 8001; });
  refused("time.clamp lo", [](TinyWeights& w) { w.values("time.clamp")[0] = 7001; });
  refused("time.z_row", [](TinyWeights& w) { w.values("time.z_row")[3] = TinyWeights::kRows; });
  refused("network time", [](TinyWeights& w) { w.values("time.program")[5] = 3 * 16 + 2; });
}

void test_limits() {
  const Streams streams = encode_series(2, 32);
  SeriesDecoder decoder(model());
  decoder.decode(streams[0], Limits{});
  CHECK_FAILS(limit_exceeded, "bytes of memory", decoder.decode(streams[1], {1 << 20, 20000}));
}

}  // namespace

int main() {
  test_definition();
  test_same_bits_everywhere();
  test_time_masks();
  test_hyper_latents_of_a_still_picture();
  test_pictures_out_of_place();
  test_another_size_begins_anew();
  test_adaptive_keys();
  test_models();
  test_limits();
}
