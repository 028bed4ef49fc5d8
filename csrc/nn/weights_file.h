// Weights file: a safetensors file with integer tensors only. Written for hostile bytes: every size
// and offset is checked, and nothing is allocated for what is not there.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace samebits {

class WeightsFile {
 public:
  // Error(invalid_argument) for anything that is not a well-formed file of I8, U8, I16, U16 and I32
  // tensors.
  static WeightsFile parse(std::vector<uint8_t> bytes);

  bool has(const std::string& name) const;
  std::vector<std::string> names() const;
  std::vector<int64_t> shape(const std::string& name) const;

  // The tensor's values in row-major order. Any stored integer type will do as long as every value
  // fits. `shape` is what the caller needs, -1 for any size; Error(invalid_argument) otherwise.
  std::vector<uint8_t> u8(const std::string& name, const std::vector<int64_t>& shape) const;
  std::vector<int16_t> i16(const std::string& name, const std::vector<int64_t>& shape) const;
  std::vector<uint16_t> u16(const std::string& name, const std::vector<int64_t>& shape) const;
  std::vector<int32_t> i32(const std::string& name, const std::vector<int64_t>& shape) const;

  // SHA-256 of the whole file.
  const std::array<uint8_t, 32>& sha256() const { return sha256_; }

 private:
  enum class Type { i8, u8, i16, u16, i32 };
  struct Entry {
    Type type;
    std::vector<int64_t> shape;
    size_t begin, end;  // bytes_[begin, end)
  };

  const Entry& entry(const std::string& name) const;
  template <class T>
  std::vector<T> values(const std::string& name, const std::vector<int64_t>& shape) const;

  std::vector<uint8_t> bytes_;
  std::map<std::string, Entry> entries_;
  std::array<uint8_t, 32> sha256_{};
};

}  // namespace samebits
