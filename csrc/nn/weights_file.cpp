#include "nn/weights_file.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "base/error.h"
#include "base/sha256.h"
#include "nn/weights_header.h"

namespace samebits {
namespace {

constexpr uint64_t kMaxHeaderBytes = uint64_t{16} << 20;

[[noreturn]] void refuse(const std::string& message) {
  fail(ErrorKind::invalid_argument, "weights file: " + message);
}

std::string to_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + (shape[i] < 0 ? std::string("any") : std::to_string(shape[i]));
  return text + "]";
}

// Elements of a shape, refused above `limit`.
int64_t element_count(const TensorEntry& tensor, int64_t limit) {
  int64_t count = 1;
  for (int64_t size : tensor.shape)
    if (size == 0) return 0;
  for (int64_t size : tensor.shape) {
    if (size > limit / count) refuse("tensor '" + tensor.name + "' is larger than the file");
    count *= size;
  }
  return count;
}

}  // namespace

WeightsFile WeightsFile::parse(std::vector<uint8_t> bytes) {
  if (bytes.size() < 8) refuse("shorter than 8 bytes");
  uint64_t header_bytes = 0;
  for (int i = 0; i < 8; ++i) header_bytes |= uint64_t{bytes[i]} << (8 * i);
  if (header_bytes > kMaxHeaderBytes || header_bytes > bytes.size() - 8)
    refuse("the header's size of " + std::to_string(header_bytes) + " bytes is more than there is");

  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + 8, header_bytes);
  std::vector<TensorEntry> tensors = parse_weights_header(json);
  // Tensors must follow one another without holes, so that no byte is ambiguous or hidden.
  std::sort(tensors.begin(), tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  const int64_t data_begin = static_cast<int64_t>(8 + header_bytes);
  const int64_t data_bytes = static_cast<int64_t>(bytes.size()) - data_begin;
  WeightsFile file;
  int64_t position = 0;
  for (TensorEntry& tensor : tensors) {
    constexpr std::string_view kNames[] = {"I8", "U8", "I16", "U16", "I32"};
    constexpr int64_t kBytes[] = {1, 1, 2, 2, 4};
    const auto dtype = std::find(std::begin(kNames), std::end(kNames), tensor.dtype);
    if (dtype == std::end(kNames))
      refuse("tensor '" + tensor.name + "' has dtype " + tensor.dtype +
             "; only I8, U8, I16, U16 and I32 are known");
    const auto type = static_cast<Type>(dtype - kNames);
    const int64_t size_bytes = element_count(tensor, data_bytes) * kBytes[dtype - kNames];
    if (tensor.begin != position || tensor.end - tensor.begin != size_bytes ||
        tensor.end > data_bytes)
      refuse("tensor '" + tensor.name + "' at " + std::to_string(tensor.begin) + ".." +
             std::to_string(tensor.end) + " does not match its shape, its neighbor or the file");
    position = tensor.end;
    Entry entry{type, std::move(tensor.shape), static_cast<size_t>(data_begin + tensor.begin),
                static_cast<size_t>(data_begin + tensor.end)};
    if (!file.entries_.emplace(tensor.name, std::move(entry)).second)
      refuse("tensor '" + tensor.name + "' appears twice");
  }
  if (position != data_bytes) refuse("there are bytes after the last tensor");
  file.sha256_ = samebits::sha256(bytes);
  file.bytes_ = std::move(bytes);
  return file;
}

bool WeightsFile::has(const std::string& name) const {
  return entries_.count(name) != 0;
}

std::vector<std::string> WeightsFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

const WeightsFile::Entry& WeightsFile::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) refuse("there is no tensor '" + name + "'");
  return found->second;
}

std::vector<int64_t> WeightsFile::shape(const std::string& name) const {
  return entry(name).shape;
}

template <class T>
std::vector<T> WeightsFile::values(const std::string& name,
                                   const std::vector<int64_t>& shape) const {
  const Entry& e = entry(name);
  const auto fits = [](int64_t have, int64_t want) { return want < 0 || have == want; };
  if (e.shape.size() != shape.size() ||
      !std::equal(e.shape.begin(), e.shape.end(), shape.begin(), fits))
    refuse("tensor '" + name + "' has shape " + to_text(e.shape) + ", needs " + to_text(shape));

  // Little-endian bytes on every machine.
  const int item_bytes = e.type == Type::i32                            ? 4
                         : (e.type == Type::i16 || e.type == Type::u16) ? 2
                                                                        : 1;
  const bool is_signed = e.type == Type::i8 || e.type == Type::i16 || e.type == Type::i32;
  std::vector<T> values;
  values.reserve((e.end - e.begin) / item_bytes);
  for (size_t at = e.begin; at < e.end; at += item_bytes) {
    int64_t value = 0;
    for (int i = 0; i < item_bytes; ++i) value |= int64_t{bytes_[at + i]} << (8 * i);
    if (is_signed && (value >> (8 * item_bytes - 1)) != 0) value -= int64_t{1} << (8 * item_bytes);
    if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max())
      refuse("tensor '" + name + "' holds " + std::to_string(value) + ", which is out of range");
    values.push_back(static_cast<T>(value));
  }
  return values;
}

std::vector<uint8_t> WeightsFile::u8(const std::string& name,
                                     const std::vector<int64_t>& shape) const {
  return values<uint8_t>(name, shape);
}
std::vector<int16_t> WeightsFile::i16(const std::string& name,
                                      const std::vector<int64_t>& shape) const {
  return values<int16_t>(name, shape);
}
std::vector<uint16_t> WeightsFile::u16(const std::string& name,
                                       const std::vector<int64_t>& shape) const {
  return values<uint16_t>(name, shape);
}
std::vector<int32_t> WeightsFile::i32(const std::string& name,
                                      const std::vector<int64_t>& shape) const {
  return values<int32_t>(name, shape);
}

}  // namespace samebits
