// Random programs with their layers, and a naive interpreter of arithmetic.md 2 to compare with.
#pragma once

#include <algorithm>
#include <map>

#include "conv_reference.h"
#include "nn/tensor.h"
#include "weights_builder.h"

struct RandomNetwork {
  WeightsBuilder builder;
  std::vector<std::vector<int32_t>> rows;  // of the program
  std::map<int, samebits::ConvLayer> layers;
  std::map<int, std::vector<int16_t>> tables;
  int in_channels = 0;
  int unit = 1;  // input sizes must be multiples of it

  void finish() {
    std::vector<int32_t> program;
    for (const auto& row : rows) program.insert(program.end(), row.begin(), row.end());
    builder.add("net.program", "I32", {static_cast<int64_t>(rows.size()), 8}, program);
  }
};

// A layer whose sums cannot overflow for any int16 input, with outputs that are not all clamped.
inline samebits::ConvLayer safe_layer(Random& random, int in_channels, bool depthwise) {
  samebits::ConvLayer layer =
      random_layer(random, in_channels, static_cast<int>(random.between(1, 24)), depthwise, 100);
  for (int32_t& bias : layer.bias) bias >>= 3;
  for (int32_t& multiplier : layer.multiplier) multiplier |= 32768;
  for (int32_t& shift : layer.shift) shift = static_cast<int32_t>(random.between(18, 28));
  layer.lo = std::min(layer.lo, -100);
  layer.hi = std::max(layer.hi, 100);
  layer.prepare();
  return layer;
}

// Unshuffle, a few blocks (convolution, table, clamp, residual add), shuffle back.
inline RandomNetwork random_network(Random& random) {
  RandomNetwork net;
  net.in_channels = static_cast<int>(random.between(1, 5));
  int channels = net.in_channels, reg = 0, layer = 0;
  const auto emit = [&](int opcode, int src2, std::vector<int32_t> a) {
    const int dst = (reg + 1 + static_cast<int>(random.between(0, 2))) % 5;
    a.resize(4);
    net.rows.push_back({opcode, dst, reg, src2, a[0], a[1], a[2], a[3]});
    reg = dst;
  };
  const auto convolve = [&](bool depthwise) {
    const samebits::ConvLayer l = safe_layer(random, channels, depthwise);
    net.builder.add_layer("net." + std::to_string(layer), l);
    emit(1, -1, {layer, l.kernel * 16 + l.stride, l.leaky, depthwise ? 1 : 0});
    channels = l.out_channels;
    net.layers[layer++] = l;
  };
  if (random.one_in(2)) {
    const int factor = static_cast<int>(random.between(2, 3));
    emit(3, -1, {factor});
    channels *= factor * factor;
    net.unit = factor;
  }
  for (int64_t blocks = random.between(1, 4); blocks > 0; --blocks) {
    convolve(random.one_in(2));
    if (random.one_in(3)) {
      std::vector<int16_t> table(65536);
      for (int16_t& v : table) v = static_cast<int16_t>(random.between(-3000, 3000));
      net.builder.add("net." + std::to_string(layer) + ".lut", "I16", {65536}, table);
      emit(6, -1, {layer});
      net.tables[layer++] = table;
    }
    if (random.one_in(3)) emit(5, -1, {-1000, 500});
    if (random.one_in(2)) {  // residual: the value before and after a clamp
      const int before = reg;
      emit(5, -1, {-200, 200});
      if (reg != before) emit(2, before, {-32768, 20000});
    }
  }
  for (const int factor : {3, 2})
    if (channels % (factor * factor) == 0 && random.one_in(2)) {
      emit(4, -1, {factor});
      channels /= factor * factor;
    }
  net.finish();
  return net;
}

inline samebits::Tensor<int16_t> reference_operation(const RandomNetwork& net,
                                                     const std::vector<int32_t>& row,
                                                     const samebits::Tensor<int16_t>& x,
                                                     const samebits::Tensor<int16_t>& x2) {
  using samebits::Tensor;
  const int r = row[4];
  if (row[0] == 1) {
    const samebits::ConvLayer& layer = net.layers.at(row[4]);
    const Tensor<int64_t> sums = reference_sums(layer, x);
    Tensor<int16_t> out(sums.height, sums.width, sums.channels);
    for (size_t i = 0; i < out.data.size(); ++i) {
      const size_t o = i % layer.out_channels;
      CHECK(sums.data[i] == wrap(sums.data[i]));  // the loader's proof holds
      out.data[i] = reference_requantize(wrap(sums.data[i]), layer.multiplier[o], layer.shift[o],
                                         layer.leaky, layer.lo, layer.hi);
    }
    return out;
  }
  if (row[0] == 3) {
    Tensor<int16_t> out(x.height / r, x.width / r, x.channels * r * r);
    for (int y = 0; y < x.height; ++y)
      for (int i = 0; i < x.width; ++i)
        for (int c = 0; c < x.channels; ++c)
          out.at(y / r, i / r)[(c * r + y % r) * r + i % r] = x.at(y, i)[c];
    return out;
  }
  if (row[0] == 4) {
    Tensor<int16_t> out(x.height * r, x.width * r, x.channels / (r * r));
    for (int y = 0; y < out.height; ++y)
      for (int i = 0; i < out.width; ++i)
        for (int c = 0; c < out.channels; ++c)
          out.at(y, i)[c] = x.at(y / r, i / r)[(c * r + y % r) * r + i % r];
    return out;
  }
  Tensor<int16_t> out = x;
  for (size_t i = 0; i < out.data.size(); ++i) {
    if (row[0] == 6) {
      out.data[i] = net.tables.at(row[4])[x.data[i] + 32768];
      continue;
    }
    const int sum = x.data[i] + (row[0] == 2 ? x2.data[i] : 0);
    out.data[i] = static_cast<int16_t>(std::clamp(sum, row[4], row[5]));
  }
  return out;
}

// The results of all operations.
inline std::vector<samebits::Tensor<int16_t>> reference_run(const RandomNetwork& net,
                                                            const samebits::Tensor<int16_t>& x) {
  std::map<int, samebits::Tensor<int16_t>> registers{{0, x}};
  std::vector<samebits::Tensor<int16_t>> results;
  for (const std::vector<int32_t>& row : net.rows) {
    results.push_back(reference_operation(net, row, registers.at(row[2]),
                                          row[3] >= 0 ? registers.at(row[3]) : x));
    registers[row[1]] = results.back();
  }
  return results;
}
