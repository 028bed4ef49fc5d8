// Shorter error-detection codes, for a decoder that takes the nearest outcome: prefixes of the same
// checksums (partition.h) as identity codes, that tell the encoder's outcome from those that are
// near, where identity codes tell it from all. Ours; the document's is identity_code.h.
//
// An element's weight is its distance from the boundary. Of the outcomes that have the code, a
// decoder takes the one for which the weights of the elements that it flips add up to the least.
// Let D be the elements in which another outcome differs from the encoder's. It has the code only
// if the encoder's weights over D add up to a precision or more, since the encoder makes the code
// that long; and it is nearer to the decoder's outputs only if the differences of the two machines
// over D, counted towards the boundaries, add up to no less than these weights. So all is well
// while the differences in a part add up to less than one precision; and mostly far beyond, as D
// is a few elements that chance has chosen.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "stability/partition.h"

namespace samebits {

// Weights from here on, a precision, are never flipped.
inline constexpr int kPrecisionWeight = 4096;

struct NearOutcomes {
  std::span<const uint8_t> parity;   // 0 or 1
  std::span<const uint16_t> weight;  // 0 on the boundary
};

struct NearestOptions {
  // Sizes of the parts that have a code each; empty: those that make the code short.
  std::vector<uint32_t> partition = {};
  // 16 bits by which a decoder finds that the nearest outcome is not the encoder's.
  bool check = true;
};

// Error(invalid_argument) if a part of a given partition has too many near outcomes, or sizes do
// not add up.
std::vector<uint8_t> encode_nearest(const NearOutcomes& outcomes, const NearestOptions& options);

// 1 where an element's parity is the other one. Error(corrupt_stream) if no near outcome has the
// code, or the one that has it does not pass the check.
std::vector<uint8_t> resolve_nearest(const NearOutcomes& outcomes, std::span<const uint8_t> code);

// Whether a code is one of encode_nearest; encode_identity's first bytes are others.
bool is_nearest_code(std::span<const uint8_t> code);

}  // namespace samebits
