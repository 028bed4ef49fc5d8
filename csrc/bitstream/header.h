// The header of a stream: bitstream.md 1 and 2. visit_fields is the one list of its fields; the
// reader, the writer and the describer all walk it, so they cannot drift apart.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace samebits {

inline constexpr uint8_t kMagic[2] = {0xF5, 0x53};
inline constexpr int kFormatVersion = 0;
inline constexpr int kMaxQuality = 100;
inline constexpr uint32_t kMaxSide = 1u << 28;
inline constexpr uint32_t kMaxGroups = 64;
inline constexpr uint32_t kMaxLatentChannels = 1024;

inline constexpr int kModes = 7;  // 0 to 6

// What the field `phases` says.
enum Phases : int { kTogether = 0, kCheckerboard = 1, kTwoByTwo = 2, kDiagonal = 3 };

// bitstream.md 2. The channel groups are those of `groups` (sizes), or `even_groups` of equal
// size, or, if neither is set, the model's own.
struct ScheduleSpec {
  int mode = 2;
  int phases = kDiagonal;
  std::vector<uint32_t> groups;
  uint32_t even_groups = 0;
  uint32_t first = 0;  // modes 5 and 6: how many groups the first part has

  bool has_parts() const { return mode == 5 || mode == 6; }
  bool operator==(const ScheduleSpec&) const = default;
};

struct Header {
  int version = kFormatVersion;
  bool grey = false;
  bool has_chunks = false;
  bool time = false;  // needs the latents of earlier pictures of its series
  std::array<uint8_t, 3> model_id{};
  int quality = 0;
  ScheduleSpec schedule;
  bool values = false;  // a probability per value (arithmetic.md 9)
  uint32_t width = 0;
  uint32_t height = 0;
  uint32_t latent_crc = 0;
};

// Fields in file order. A visitor has
//   bits(name, value&, count, max)   fields inside a byte, least significant first
//   known_bits(name, value&, count, last)   the same; values above `last` are reserved
//   reserved_bits(name, count)       must be 0
//   u8(name, value&, max), u32(name, value&), bytes(name, array&)
//   varint(name, value&, min, max), varint_minus_1(name, value&, max): stored as value - 1
template <class Visitor>
void visit_schedule(Visitor& visit, ScheduleSpec& schedule, bool& values) {
  enum : int { kModelsGroups, kExplicitGroups, kEvenGroups };
  int groups = kModelsGroups;
  if (!schedule.groups.empty()) groups = kExplicitGroups;
  if (schedule.even_groups != 0) groups = kEvenGroups;
  visit.known_bits("mode", schedule.mode, 3, kModes - 1);
  visit.bits("phases", schedule.phases, 2, kDiagonal);
  visit.known_bits("groups", groups, 2, kEvenGroups);
  visit.bits("values", values, 1, 1);
  if (groups == kExplicitGroups) {
    uint32_t count = static_cast<uint32_t>(schedule.groups.size());
    visit.varint("group_count", count, 1, kMaxGroups);
    schedule.groups.resize(count);
    for (uint32_t& size : schedule.groups) visit.varint("group_size", size, 1, kMaxLatentChannels);
  }
  if (groups == kEvenGroups) visit.varint("group_count", schedule.even_groups, 1, kMaxGroups);
  if (schedule.has_parts()) visit.varint("first", schedule.first, 1, kMaxGroups - 1);
}

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

  visit_schedule(visit, header.schedule, header.values);

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

// bitstream.md 2: Error(blame) if the fields of a schedule do not go together, whatever the model.
void check_schedule(const ScheduleSpec& schedule, ErrorKind blame);

// Throws Error: truncated, corrupt_stream, or unsupported_version for reserved values.
Header read_header(ByteReader& reader);
// Throws Error(invalid_argument) for a header that no reader would take.
void write_header(ByteWriter& writer, const Header& header);
std::vector<HeaderField> describe_header(const Header& header);

}  // namespace samebits
