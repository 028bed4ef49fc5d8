// Parts of a sequence of parities, each with a code of its own (EP 4 156 691, requirement S1).
//
// A part's checksum is the CRC-32 of its parities, packed least bit first, zeros after the last. A
// CRC is linear over GF(2): an element that is flipped changes the checksum by a column that only
// its place decides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "stability/bits.h"

namespace samebits {

inline constexpr int kChecksumBits = 32;
inline constexpr int kLengthBits = 5;  // of a fixed length, or of a parameter of Golomb's code
// Flags in the first byte of a code, beside two bits for its kind.
inline constexpr int kSentPartition = 1 << 2;
inline constexpr int kGolombShift = 3;
inline constexpr int kMostGolomb = 31;
inline constexpr size_t kMostElements = size_t{1} << 30;

// Elements, each with a parity of 0 or 1, and whether it could come out as its neighbour.
struct Outcomes {
  std::span<const uint8_t> parity;
  std::span<const uint8_t> ambiguous;  // 0 or 1
};

// A part's checksum, and the columns and places of its ambiguous elements, from the last on.
struct Part {
  uint32_t checksum = 0;
  std::vector<uint32_t> columns;
  std::vector<uint32_t> places;
};

struct CodedPart {
  uint32_t code;  // its lowest bits
  int length;
};

// The checksum is right only where no more than `most` elements are ambiguous; otherwise there are
// `most` + 1 columns.
Part part_of(const Outcomes& outcomes, size_t begin, size_t size, size_t most);

// Sizes of parts that differ by one at most.
std::vector<uint32_t> even_partition(size_t size, size_t parts);
bool is_even(std::span<const uint32_t> partition, size_t size);

// Parts that end after `most` ambiguous elements, halved until `can_code` says yes, which it must
// for parts with one.
std::vector<uint32_t> cut_partition(const Outcomes& outcomes, int most,
                                    const std::function<bool(size_t begin, size_t size)>& can_code);

// Error(invalid_argument) unless the parts have `size` elements in all.
void check_partition(std::span<const uint32_t> partition, size_t size);

void put_partition(BitWriter& bits, std::span<const uint32_t> partition);
// An even one if it is not `sent`. Error(corrupt_stream) unless the parts have `size` elements in
// all.
std::vector<uint32_t> get_partition(BitReader& bits, uint32_t parts, size_t size, bool sent);

// The parameter k of Golomb's code that makes these numbers shortest.
int golomb_for(std::span<const uint32_t> values);

}  // namespace samebits
