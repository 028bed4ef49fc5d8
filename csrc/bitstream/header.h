// The header of a stream: bitstream.md 1 and 2. visit_fields is the one list of its fields; the
// reader, the writer and the describer all walk it, so they cannot drift apart.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace samebits {

inline constexpr uint8_t kMagic[2] = {0xF5, 0x53};
inline constexpr int kFormatVersion = 0;
inline constexpr int kMaxQuality = 100;
inline constexpr uint32_t kMaxSide = 1u << 28;
inline constexpr uint32_t kMaxGroups = 64;
inline constexpr uint32_t kMaxLatentChannels = 1024;

// bitstream.md 2. Empty `groups` means the model's own.
struct ScheduleSpec {
  int mode = 2;
  int phases = 3;
  std::vector<uint32_t> groups;
};

struct Header {
  int version = kFormatVersion;
  bool grey = false;
  bool has_chunks = false;
  bool time = false;  // needs the latents of earlier pictures of its series
  std::array<uint8_t, 3> model_id{};
  int quality = 0;
  ScheduleSpec schedule;
  uint32_t width = 0;
  uint32_t height = 0;
  uint32_t latent_crc = 0;
};

// Fields in file order. A visitor has
//   bits(name, value&, count, max)   fields inside a byte, least significant first
//   reserved_bits(name, count)       must be 0
//   u8(name, value&, max), u32(name, value&), bytes(name, array&)
//   varint(name, value&, min, max), varint_minus_1(name, value&, max): stored as value - 1
template <class Visitor>
void visit_fields(Visitor& visit, Header& header) {
  visit.magic(kMagic);
  visit.bits("version", header.version, 4, kFormatVersion);
  visit.bits("grey", header.grey, 1, 1);
  visit.bits("has_chunks", header.has_chunks, 1, 1);
  visit.bits("time", header.time, 1, 1);
  visit.reserved_bits("flags", 1);
  visit.bytes("model_id", header.model_id);
  visit.u8("quality", header.quality, kMaxQuality);

  ScheduleSpec& schedule = header.schedule;
  bool explicit_groups = !schedule.groups.empty();
  visit.bits("mode", schedule.mode, 3, 7);
  visit.bits("phases", schedule.phases, 2, 3);
  visit.bits("explicit_groups", explicit_groups, 1, 1);
  visit.reserved_bits("schedule", 2);
  if (explicit_groups) {
    uint32_t count = static_cast<uint32_t>(schedule.groups.size());
    visit.varint("group_count", count, 1, kMaxGroups);
    schedule.groups.resize(count);
    for (uint32_t& size : schedule.groups) visit.varint("group_size", size, 1, kMaxLatentChannels);
  }

  visit.varint_minus_1("width", header.width, kMaxSide);
  visit.varint_minus_1("height", header.height, kMaxSide);
  visit.u32("latent_crc", header.latent_crc);
}

// One line of a header's description: where the field starts and what it says.
struct HeaderField {
  std::string name;
  size_t position;
  std::string value;
};

// Throws Error: truncated, corrupt_stream, or unsupported_version for reserved values.
Header read_header(ByteReader& reader);
// Throws Error(invalid_argument) for a header that no reader would take.
void write_header(ByteWriter& writer, const Header& header);
std::vector<HeaderField> describe_header(const Header& header);

}  // namespace samebits
