// The JSON header of a safetensors file, read as what it may be and nothing more: one object whose
// members are tensors {"dtype", "shape", "data_offsets"} and, once, "__metadata__" with text
// values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace samebits {

struct TensorEntry {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  int64_t begin = 0, end = 0;  // bytes after the header
};

// Error(invalid_argument) with the byte position for anything else.
std::vector<TensorEntry> parse_weights_header(std::string_view json);

}  // namespace samebits
