#include "bitstream/header.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/error.h"

namespace samebits {
namespace {

std::string at_byte(size_t position) {
  return " (byte " + std::to_string(position) + ")";
}

// Collects the bit fields of a byte; bitstream.md 1 and 2 fill every byte that has any.
class BitCursor {
 public:
  bool at_start() const { return used_ == 0; }
  // The shift of a field of `count` bits.
  int advance(int count) {
    const int shift = used_;
    used_ = (used_ + count) % 8;
    return shift;
  }

 private:
  int used_ = 0;
};

class Reader {
 public:
  explicit Reader(ByteReader& bytes) : bytes_(bytes) {}

  void magic(std::span<const uint8_t> expected) {
    std::span<const uint8_t> found = bytes_.take(expected.size(), "magic");
    if (!std::equal(found.begin(), found.end(), expected.begin())) {
      fail(ErrorKind::corrupt_stream, "not a Samebits stream: it does not begin with F5 53");
    }
  }

  template <class T>
  void bits(const char* name, T& value, int count, uint32_t max) {
    const uint32_t found = next_bits(name, count);
    check(name, found, 0, max, position_of_byte_);
    value = static_cast<T>(found);
  }

  template <class T>
  void known_bits(const char* name, T& value, int count, uint32_t last) {
    const uint32_t found = next_bits(name, count);
    if (found > last) {
      fail(ErrorKind::unsupported_version, std::string(name) + " " + std::to_string(found) +
                                               " is reserved" + at_byte(position_of_byte_) +
                                               "; a newer Samebits may know it");
    }
    value = static_cast<T>(found);
  }

  void reserved_bits(const char* name, int count) {
    if (next_bits(name, count) == 0) return;
    fail(ErrorKind::unsupported_version, std::string("reserved bits of ") + name + " are set" +
                                             at_byte(position_of_byte_) +
                                             "; a newer Samebits may know them");
  }

  template <class T>
  void u8(const char* name, T& value, uint32_t max) {
    const size_t position = bytes_.position();
    const uint32_t found = bytes_.u8(name);
    check(name, found, 0, max, position);
    value = static_cast<T>(found);
  }

  void u32(const char* name, uint32_t& value) { value = bytes_.u32(name); }

  template <size_t N>
  void bytes(const char* name, std::array<uint8_t, N>& value) {
    std::span<const uint8_t> found = bytes_.take(N, name);
    std::copy(found.begin(), found.end(), value.begin());
  }

  void varint(const char* name, uint32_t& value, uint32_t min, uint32_t max) {
    const size_t position = bytes_.position();
    value = bytes_.varint(name);
    check(name, value, min, max, position);
  }

  void varint_minus_1(const char* name, uint32_t& value, uint32_t max) {
    const size_t position = bytes_.position();
    const uint64_t found = uint64_t{bytes_.varint(name)} + 1;
    check(name, found, 1, max, position);
    value = static_cast<uint32_t>(found);
  }

 private:
  uint32_t next_bits(const char* name, int count) {
    if (cursor_.at_start()) {
      position_of_byte_ = bytes_.position();
      byte_ = bytes_.u8(name);
    }
    return static_cast<uint32_t>(byte_ >> cursor_.advance(count)) & ((1u << count) - 1);
  }

  static void check(const char* name, uint64_t value, uint32_t min, uint32_t max, size_t position) {
    if (value >= min && value <= max) return;
    fail(ErrorKind::corrupt_stream, std::string(name) + " is " + std::to_string(value) +
                                        ", must be " + std::to_string(min) + " to " +
                                        std::to_string(max) + at_byte(position));
  }

  ByteReader& bytes_;
  BitCursor cursor_;
  uint8_t byte_ = 0;
  size_t position_of_byte_ = 0;
};

class Writer {
 public:
  explicit Writer(ByteWriter& bytes) : bytes_(bytes) {}

  void magic(std::span<const uint8_t> value) { bytes_.append(value); }

  template <class T>
  void bits(const char* name, T value, int count, uint32_t max) {
    put_bits(check(name, value, 0, max), count);
  }

  template <class T>
  void known_bits(const char* name, T value, int count, uint32_t last) {
    bits(name, value, count, last);
  }

  void reserved_bits(const char*, int count) { put_bits(0, count); }

  template <class T>
  void u8(const char* name, T value, uint32_t max) {
    bytes_.u8(static_cast<uint8_t>(check(name, value, 0, max)));
  }

  void u32(const char*, uint32_t value) { bytes_.u32(value); }

  template <size_t N>
  void bytes(const char*, const std::array<uint8_t, N>& value) {
    bytes_.append(value);
  }

  void varint(const char* name, uint32_t value, uint32_t min, uint32_t max) {
    bytes_.varint(check(name, value, min, max));
  }

  void varint_minus_1(const char* name, uint32_t value, uint32_t max) {
    bytes_.varint(check(name, value, 1, max) - 1);
  }

 private:
  void put_bits(uint32_t value, int count) {
    byte_ |= static_cast<uint8_t>(value << cursor_.advance(count));
    if (!cursor_.at_start()) return;
    bytes_.u8(byte_);
    byte_ = 0;
  }

  static uint32_t check(const char* name, int64_t value, uint32_t min, uint32_t max) {
    if (value < min || value > max) {
      fail(ErrorKind::invalid_argument, std::string(name) + " is " + std::to_string(value) +
                                            ", must be " + std::to_string(min) + " to " +
                                            std::to_string(max));
    }
    return static_cast<uint32_t>(value);
  }

  ByteWriter& bytes_;
  BitCursor cursor_;
  uint8_t byte_ = 0;
};

// Walks the fields beside a Writer, which knows where each one starts.
class Describer {
 public:
  void magic(std::span<const uint8_t> value) {
    note("magic", hex(value));
    writer_.magic(value);
  }

  template <class T>
  void bits(const char* name, T value, int count, uint32_t max) {
    note(name, std::to_string(value));
    writer_.bits(name, value, count, max);
  }

  template <class T>
  void known_bits(const char* name, T value, int count, uint32_t last) {
    bits(name, value, count, last);
  }

  void reserved_bits(const char* name, int count) { writer_.reserved_bits(name, count); }

  template <class T>
  void u8(const char* name, T value, uint32_t max) {
    note(name, std::to_string(value));
    writer_.u8(name, value, max);
  }

  void u32(const char* name, uint32_t value) {
    const uint8_t high_first[] = {static_cast<uint8_t>(value >> 24),
                                  static_cast<uint8_t>(value >> 16),
                                  static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)};
    note(name, hex(high_first));
    writer_.u32(name, value);
  }

  template <size_t N>
  void bytes(const char* name, const std::array<uint8_t, N>& value) {
    note(name, hex(value));
    writer_.bytes(name, value);
  }

  void varint(const char* name, uint32_t value, uint32_t min, uint32_t max) {
    note(name, std::to_string(value));
    writer_.varint(name, value, min, max);
  }

  void varint_minus_1(const char* name, uint32_t value, uint32_t max) {
    note(name, std::to_string(value));
    writer_.varint_minus_1(name, value, max);
  }

  std::vector<HeaderField> take() { return std::move(fields_); }

 private:
  static std::string hex(std::span<const uint8_t> bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (uint8_t byte : bytes) {
      text += digits[byte >> 4];
      text += digits[byte & 15];
    }
    return text;
  }

  void note(const char* name, std::string value) {
    fields_.push_back({name, bytes_.size(), std::move(value)});
  }

  ByteWriter bytes_;
  Writer writer_{bytes_};
  std::vector<HeaderField> fields_;
};

// bitstream.md 2: which fields of a schedule go together. Nullptr if all is well.
const char* schedule_fault(const ScheduleSpec& schedule) {
  if (schedule.mode < 0 || schedule.mode >= kModes) return "modes are 0 to 6";
  if (schedule.phases < 0 || schedule.phases > kDiagonal) return "phases are 0 to 3";
  const bool own_groups = !schedule.groups.empty() || schedule.even_groups != 0;
  const size_t count = schedule.even_groups != 0 ? schedule.even_groups : schedule.groups.size();
  if (!schedule.groups.empty() && schedule.even_groups != 0) {
    return "its groups are either sizes or a number of even groups, not both";
  }
  if (schedule.mode == 0 && own_groups) return "mode 0 has no groups";
  if (!schedule.has_parts() && schedule.first != 0) return "only modes 5 and 6 have a first part";
  if (schedule.has_parts() && schedule.first == 0) {
    return "modes 5 and 6 need `first`, the number of groups in the first part";
  }
  if (schedule.phases != kDiagonal) return nullptr;
  if (schedule.mode != 2) return "phases 3 (diagonal) goes with mode 2 only";
  if (own_groups && count != 2 && count != 4) return "phases 3 (diagonal) takes two or four groups";
  return nullptr;
}

}  // namespace

void check_schedule(const ScheduleSpec& schedule, ErrorKind blame) {
  const char* fault = schedule_fault(schedule);
  if (fault == nullptr) return;
  fail(blame, "there is no schedule of mode " + std::to_string(schedule.mode) + " with phases " +
                  std::to_string(schedule.phases) + " in format version " +
                  std::to_string(kFormatVersion) + ": " + fault);
}

Header read_header(ByteReader& reader) {
  Header header;
  Reader visit(reader);
  visit_fields(visit, header);
  check_schedule(header.schedule, ErrorKind::unsupported_version);
  return header;
}

void write_header(ByteWriter& writer, const Header& header) {
  check_schedule(header.schedule, ErrorKind::invalid_argument);
  Header copy = header;  // visit_fields is one list for readers too, so it takes a mutable header
  Writer visit(writer);
  visit_fields(visit, copy);
}

std::vector<HeaderField> describe_header(const Header& header) {
  Header copy = header;
  Describer visit;
  visit_fields(visit, copy);
  return visit.take();
}

}  // namespace samebits
