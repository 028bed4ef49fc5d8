#include "stability/partition.h"

#include <algorithm>
#include <string>

#include "base/crc32.h"
#include "base/error.h"

namespace samebits {
namespace {

constexpr uint32_t after_zero(uint32_t crc) {
  return crc >> 1 ^ ((crc & 1) != 0 ? kCrc32Polynomial : 0);
}

}  // namespace

// One pass from the last element to the first, for the column is known there. The register's first
// value, all ones, does what ones in the first 32 elements would do.
Part part_of(const Outcomes& outcomes, size_t begin, size_t size, size_t most) {
  Part part;
  const size_t padded = (size + 7) / 8 * 8;
  const size_t ones = padded < kChecksumBits ? 0 : kChecksumBits;
  uint32_t column = kCrc32Polynomial;
  for (size_t i = padded; i-- > 0; column = after_zero(column)) {
    const bool bit = i < size && outcomes.parity[begin + i] != 0;
    if (bit != (i < ones)) part.checksum ^= column;
    if (i >= size || outcomes.ambiguous[begin + i] == 0) continue;
    part.columns.push_back(column);
    part.places.push_back(static_cast<uint32_t>(begin + i));
    if (part.columns.size() > most) break;
  }
  if (ones == 0) {
    uint32_t first = 0xFFFFFFFF;
    for (size_t i = 0; i < padded; ++i) first = after_zero(first);
    part.checksum ^= first;
  }
  part.checksum = ~part.checksum;
  return part;
}

std::vector<uint32_t> even_partition(size_t size, size_t parts) {
  std::vector<uint32_t> partition(parts);
  for (size_t n = 0; n < parts; ++n) {
    partition[n] = static_cast<uint32_t>(size * (n + 1) / parts - size * n / parts);
  }
  return partition;
}

bool is_even(std::span<const uint32_t> partition, size_t size) {
  return std::ranges::equal(partition, even_partition(size, partition.size()));
}

std::vector<uint32_t> cut_partition(
    const Outcomes& outcomes, int most,
    const std::function<bool(size_t begin, size_t size)>& can_code) {
  std::vector<uint32_t> partition;
  const size_t size = outcomes.parity.size();
  size_t begin = 0;
  while (begin < size) {
    size_t end = begin;
    int count = 0;
    for (; end < size; ++end) {
      if (outcomes.ambiguous[end] == 0) continue;
      if (count == most) break;
      ++count;
    }
    while (!can_code(begin, end - begin)) end = begin + (end - begin + 1) / 2;
    partition.push_back(static_cast<uint32_t>(end - begin));
    begin = end;
  }
  return partition;
}

void check_partition(std::span<const uint32_t> partition, size_t size) {
  uint64_t sum = 0;
  for (uint32_t part : partition) sum += part;
  if (sum != size) {
    fail(ErrorKind::invalid_argument,
         "the parts have " + std::to_string(sum) + " elements, there are " + std::to_string(size));
  }
}

void put_partition(BitWriter& bits, std::span<const uint32_t> partition) {
  const int k = golomb_for(partition);
  bits.put(static_cast<uint32_t>(k), kLengthBits);
  for (uint32_t part : partition) bits.put_golomb(part, k);
}

std::vector<uint32_t> get_partition(BitReader& bits, uint32_t parts, size_t size, bool sent) {
  if (!sent) return even_partition(size, parts);
  const int k = static_cast<int>(bits.get(kLengthBits));
  std::vector<uint32_t> partition;
  size_t left = size;
  for (uint32_t n = 0; n < parts; ++n) {
    partition.push_back(bits.get_golomb(k, static_cast<uint32_t>(left)));
    left -= partition.back();
  }
  if (left != 0) fail(ErrorKind::corrupt_stream, "the parts of a code do not cover its elements");
  return partition;
}

int golomb_for(std::span<const uint32_t> values) {
  const auto size = [&](int k) {
    uint64_t bits = 0;
    for (uint32_t value : values) bits += (value >> k) + 1 + k;
    return bits;
  };
  int best = 0;
  for (int k = 1; k < kMostGolomb; ++k) {
    if (size(k) < size(best)) best = k;
  }
  return best;
}

}  // namespace samebits
