// Makes weights files for tests: tensors by name, a program, and the bytes of the safetensors file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "nn/conv.h"
#include "nn/weights_file.h"

class WeightsBuilder {
 public:
  void add(const std::string& name, const char* dtype, std::vector<int64_t> shape,
           const std::vector<int64_t>& values) {
    const std::string type = dtype;
    const int item_bytes = type == "I32" ? 4 : type == "I16" || type == "U16" ? 2 : 1;
    Tensor tensor{type, std::move(shape), {}};
    for (int64_t value : values)
      for (int i = 0; i < item_bytes; ++i)
        tensor.bytes.push_back(static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i)));
    tensors_[name] = std::move(tensor);
  }

  template <class T>
  void add(const std::string& name, const char* dtype, std::vector<int64_t> shape,
           const std::vector<T>& values) {
    add(name, dtype, std::move(shape), std::vector<int64_t>(values.begin(), values.end()));
  }

  // Layer tensors of arithmetic.md 2.
  void add_layer(const std::string& name, const samebits::ConvLayer& layer) {
    const int64_t o = layer.out_channels, k = layer.kernel;
    add(name + ".weight", "I16", {o, k, k, layer.depthwise ? 1 : layer.in_channels}, layer.weight);
    add(name + ".bias", "I32", {o}, layer.bias);
    add(name + ".multiplier", "I32", {o}, layer.multiplier);
    add(name + ".shift", "I32", {o}, layer.shift);
    add(name + ".clamp", "I32", {2}, std::vector<int64_t>{layer.lo, layer.hi});
  }

  void remove(const std::string& name) { tensors_.erase(name); }

  std::vector<uint8_t> bytes() const {
    std::string header = "{\"__metadata__\":{\"made by\":\"a test \\u00e9\\n\"}";
    std::vector<uint8_t> data;
    for (const auto& [name, tensor] : tensors_) {
      std::string shape;
      for (int64_t size : tensor.shape) {
        if (!shape.empty()) shape += ',';
        shape += std::to_string(size);
      }
      const size_t begin = data.size();
      data.insert(data.end(), tensor.bytes.begin(), tensor.bytes.end());
      header += ", \"" + name + "\": {\"dtype\":\"" + tensor.dtype + "\",\"shape\":[" + shape +
                "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(data.size()) +
                "]}";
    }
    return with_header(header + "}", data);
  }

  static std::vector<uint8_t> with_header(const std::string& header,
                                          const std::vector<uint8_t>& data) {
    std::vector<uint8_t> bytes;
    for (int i = 0; i < 8; ++i)
      bytes.push_back(static_cast<uint8_t>(static_cast<uint64_t>(header.size()) >> (8 * i)));
    bytes.insert(bytes.end(), header.begin(), header.end());
    bytes.insert(bytes.end(), data.begin(), data.end());
    return bytes;
  }

  samebits::WeightsFile file() const { return samebits::WeightsFile::parse(bytes()); }

 private:
  struct Tensor {
    std::string dtype;
    std::vector<int64_t> shape;
    std::vector<uint8_t> bytes;
  };
  std::map<std::string, Tensor> tensors_;
};
