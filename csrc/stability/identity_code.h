// Error-detection codes for outputs that may come out as either of two neighbours on another
// machine (EP 4 156 691, requirement S1): which of all possible outcomes is the encoder's.
//
// The identity code of an outcome is the shortest prefix of its checksum (partition.h), most
// significant bit first, that no other outcome has. Outcomes differ by sums of columns, so they are
// told apart by solving equations, where the document walks a tree.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "stability/partition.h"

namespace samebits {

enum class LengthCode : uint8_t { fixed = 0, unary = 1, golomb = 2 };

struct IdentityOptions {
  LengthCode lengths = LengthCode::golomb;
  // Sizes of the parts that have a code each; empty: those that make the code short.
  std::vector<uint32_t> partition;
};

// The bits that tell the encoder's outcome from all others. Error(invalid_argument) if a part of a
// given partition has outcomes with one checksum, or sizes do not add up.
std::vector<uint8_t> encode_identity(const Outcomes& outcomes, const IdentityOptions& options);

// For a decoder, whose ambiguous elements are among the encoder's: 1 where an element's parity is
// the other one. Error(corrupt_stream) if no outcome, or more than one, has the code.
std::vector<uint8_t> resolve_identity(const Outcomes& outcomes, std::span<const uint8_t> code);

// How many bits of a checksum tell all sums of these columns apart, at least 1; 0 if all 32 do not.
int distinguishing_bits(std::span<const uint32_t> columns);

}  // namespace samebits
