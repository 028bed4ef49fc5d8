// A tiny random model and a picture for the tests of the codec: the same bytes on every machine,
// every opcode of arithmetic.md 2 in use, nothing learned. (tests/python/tiny_model.py is its
// larger sister.)
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "codec/model.h"

namespace samebits {

// Tensors by name, all stored as I32 (the loader takes any integer type whose values fit).
class TinyWeights {
 public:
  static constexpr int kLatents = 8, kHyper = 4, kFeatures = 8, kContext = 16;
  static constexpr int kScaleRows = 40, kRows = 41;

  explicit TinyWeights(uint64_t seed) : random_(seed) {
    put("config", {16},
        {1, kLatents, kHyper, kFeatures, kContext, 1, kQualities, kScaleRows, 0, 0, 0, 0, 0, 0, 0,
         0});
    networks();
    context();
    cdf();
    gains();
    put("groups", {3}, {1, 2, 5});
    put("phase_groups", {4}, {1, 1, 2, 4});
  }

  // The optional network of series: one layer that sees neighbors, one that does not.
  void add_time() {
    const int inputs = kFeatures + 3 * kLatents + 3, outputs = kFeatures + kLatents;
    program("time", {conv("time", 0, 1, 0, inputs, 16, 3, 1, 9),
                     conv("time", 1, 1, 1, 16, outputs, 1, 1, 9)});
    put("time.clamp", {2}, {-7000, 7000});
    put("time.z_row", {kQualities, kHyper}, std::vector<int32_t>(kQualities * kHyper, 0));
  }

  // A head for a probability per value: 2 * radius + 2 entries for the rows 3 .. 29.
  void add_value_head(int radius, int coefficients) {
    program("values", {conv("values", 0, 1, 0, kContext, 12, 1, 1, 9),
                       conv("values", 1, 1, 1, 12, kLatents * coefficients, 1, 1, 9)});
    constexpr int kFirst = 3, kEnd = 30;
    const int entries = 2 * radius + 2;
    put("values.rows", {2}, {kFirst, kEnd});
    std::vector<int32_t> base;
    for (int row = kFirst; row < kEnd; ++row) {
      for (int k = -radius; k <= radius + 1; ++k)
        base.push_back(std::max(-16000, -(k < 0 ? -k : k) * 3000 / row - (k > radius ? 900 : 0)));
    }
    put("values.base", {kEnd - kFirst, entries}, base);
    put("values.shapes", {entries, coefficients}, some(entries * coefficients, -3000, 3000));
    put("values.shift", {1}, {13});
  }

  std::vector<int32_t>& values(const std::string& name) { return tensors_.at(name).second; }

  std::vector<uint8_t> file() const {
    std::string header = "{";
    std::vector<uint8_t> body;
    for (const auto& [name, tensor] : tensors_) {
      const size_t begin = body.size();
      for (int32_t v : tensor.second) {
        for (int s = 0; s < 32; s += 8) {
          body.push_back(static_cast<uint8_t>(static_cast<uint32_t>(v) >> s));
        }
      }
      std::string shape;
      for (int64_t size : tensor.first) shape += (shape.empty() ? "" : ",") + std::to_string(size);
      if (header.size() > 1) header += ",";
      header += "\"" + name + "\":{\"dtype\":\"I32\",\"shape\":[" + shape + "],\"data_offsets\":[" +
                std::to_string(begin) + "," + std::to_string(body.size()) + "]}";
    }
    header += "}";
    while (header.size() % 8 != 0) header += " ";
    std::vector<uint8_t> bytes;
    for (int s = 0; s < 64; s += 8) {
      bytes.push_back(static_cast<uint8_t>(uint64_t{header.size()} >> s));
    }
    bytes.insert(bytes.end(), header.begin(), header.end());
    bytes.insert(bytes.end(), body.begin(), body.end());
    return bytes;
  }

 private:
  void put(const std::string& name, std::vector<int64_t> shape, std::vector<int32_t> values) {
    tensors_[name] = {std::move(shape), std::move(values)};
  }

  std::vector<int32_t> some(int64_t count, int lo, int hi) {
    std::vector<int32_t> values(count);
    for (int32_t& v : values) v = static_cast<int32_t>(random_.between(lo, hi));
    return values;
  }

  // One convolution; about `shift` bits are lost. Returns its row of the program.
  std::vector<int32_t> conv(const std::string& net, int layer, int dst, int src, int inputs,
                            int outputs, int kernel, int stride, int shift,
                            bool depthwise = false) {
    const std::string name = net + "." + std::to_string(layer);
    const int64_t per_output = depthwise ? 1 : inputs;
    put(name + ".weight", {outputs, kernel, kernel, per_output},
        some(outputs * kernel * kernel * per_output, -127, 127));
    put(name + ".bias", {outputs}, some(outputs, -20000, 20000));
    put(name + ".multiplier", {outputs}, some(outputs, 16384, 32767));
    put(name + ".shift", {outputs}, std::vector<int32_t>(outputs, 15 + shift));
    put(name + ".clamp", {2}, {-8000, 8000});
    return {1, dst, src, -1, layer, kernel * 16 + stride, layer % 2 == 0 ? 2 : -1, depthwise};
  }

  void program(const std::string& net, const std::vector<std::vector<int32_t>>& rows) {
    std::vector<int32_t> values;
    for (const auto& row : rows) values.insert(values.end(), row.begin(), row.end());
    put(net + ".program", {static_cast<int64_t>(rows.size()), 8}, values);
  }

  void networks() {
    program("g_a", {{3, 1, 0, -1, 8, 0, 0, 0},
                    conv("g_a", 0, 2, 1, 192, 16, 1, 1, 7),
                    conv("g_a", 1, 3, 2, 16, 16, 3, 1, 8, true),
                    {2, 2, 2, 3, -5000, 5000, 0, 0},
                    conv("g_a", 2, 1, 2, 16, kLatents, 3, 2, 9)});
    program("g_s", {conv("g_s", 0, 1, 0, kLatents, 32, 3, 1, 9),
                    {4, 1, 1, -1, 2, 0, 0, 0},
                    conv("g_s", 1, 1, 1, 8, 192, 1, 1, 12),
                    {4, 1, 1, -1, 8, 0, 0, 0},
                    {5, 1, 1, -1, -128, 127, 0, 0}});
    program("h_a",
            {conv("h_a", 0, 1, 0, kLatents, 8, 3, 2, 9), conv("h_a", 1, 1, 1, 8, kHyper, 3, 2, 9)});
    std::vector<int32_t> lut(65536);
    for (int x = -32768; x < 32768; ++x) lut[x + 32768] = x < 0 ? x / 4 : x;
    put("h_s.1.lut", {65536}, lut);
    program("h_s", {conv("h_s", 0, 1, 0, kHyper, 32, 3, 1, 9),
                    {4, 1, 1, -1, 2, 0, 0, 0},
                    {6, 1, 1, -1, 1, 0, 0, 0},
                    conv("h_s", 2, 1, 1, 8, 4 * (kFeatures + kLatents), 1, 1, 8),
                    {4, 1, 1, -1, 2, 0, 0, 0}});
    program("entropy", {conv("entropy", 0, 1, 0, kContext, 24, 1, 1, 9),
                        conv("entropy", 1, 1, 1, 24, 2 * kLatents, 1, 1, 9)});
    // Log-scales of about eight octaves, with an accumulator of 15 + 9 - 15 bits a unit.
    for (int c = kLatents; c < 2 * kLatents; ++c) values("entropy.1.bias")[c] = 8 << 19;
  }

  void context() {
    const int inputs = 2 * kLatents + kFeatures;
    conv("context", 0, 1, 0, inputs, kContext, 3, 1, 11);
    for (const char* part : {"weight", "multiplier", "shift", "clamp"}) {
      tensors_[std::string("context.") + part] = tensors_.at(std::string("context.0.") + part);
    }
    std::erase_if(tensors_, [](const auto& t) { return t.first.starts_with("context.0."); });
    values("context.weight") = some(kContext * 9 * inputs, -400, 400);
    put("context.bias", {kQualities, kContext}, some(kQualities * kContext, -90000, 90000));
    put("context.leaky", {1}, {2});
  }

  // Row r: triangles of growing width, and few symbols, so that escapes happen.
  void cdf() {
    std::vector<int32_t> starts, row_begin{0}, min_symbol;
    for (int r = 0; r < kRows; ++r) {
      const int radius = 1 + r / 3;
      const int step = 65000 / ((radius + 1) * (radius + 1));
      int start = 0;
      for (int k = -radius; k <= radius; ++k) {
        starts.push_back(start);
        start += step * (radius + 1 - (k < 0 ? -k : k));
      }
      starts.push_back(start);
      row_begin.push_back(static_cast<int32_t>(starts.size()));
      min_symbol.push_back(-radius);
    }
    const int64_t count = static_cast<int64_t>(starts.size());
    put("cdf.starts", {count}, starts);
    put("cdf.row_begin", {kRows + 1}, row_begin);
    put("cdf.min_symbol", {kRows}, min_symbol);
  }

  void gains() {
    std::vector<int32_t> gain, inverse, log2, z_gain, z_inverse, z_row;
    for (int q = 0; q < kQualities; ++q) {
      for (int c = 0; c < kLatents; ++c) {
        const int step = 20 + (kQualities - q) * (8 + c);
        gain.push_back((1 << 24) / step);
        inverse.push_back(step << 8);
        log2.push_back(q * 20 - 7000);
      }
      for (int c = 0; c < kHyper; ++c) {
        const int step = 200 + (kQualities - q) * (3 + c);
        z_gain.push_back((1 << 24) / step);
        z_inverse.push_back(step << 8);
        z_row.push_back(kScaleRows);
      }
    }
    put("gain", {kQualities, kLatents}, gain);
    put("inverse_gain", {kQualities, kLatents}, inverse);
    put("log2_gain", {kQualities, kLatents}, log2);
    put("z_gain", {kQualities, kHyper}, z_gain);
    put("z_inverse_gain", {kQualities, kHyper}, z_inverse);
    put("z_row", {kQualities, kHyper}, z_row);
  }

  Random random_;
  std::map<std::string, std::pair<std::vector<int64_t>, std::vector<int32_t>>> tensors_;
};

inline Model tiny_model(uint64_t seed = 1) {
  return Model::load(TinyWeights(seed).file());
}

// Ramps, a few rectangles and noise: [height][width][3].
inline std::vector<uint8_t> tiny_picture(int height, int width, uint64_t seed) {
  Random random(seed);
  std::vector<uint8_t> rgb;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        const int ramp = (3 * x + 2 * y) / (c + 1) + ((x / 9 + y / 7) % 3) * 60;
        rgb.push_back(static_cast<uint8_t>((ramp + random.between(0, 15)) & 255));
      }
    }
  }
  return rgb;
}

}  // namespace samebits
