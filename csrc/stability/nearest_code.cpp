#include "stability/nearest_code.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <numeric>
#include <optional>
#include <queue>

#include "base/bytes.h"
#include "base/crc32.h"
#include "base/error.h"

namespace samebits {
namespace {

constexpr uint8_t kNearest = 3;  // in place of an identity code's way to code lengths
constexpr int kCheckBits = 16;   // of the checksum of all parities
// Near elements a part: on the average of even parts, from the shortest code on, and of parts that
// are cut where they have enough. More make codes shorter and take more time.
constexpr std::array<int, 7> kDensities = {56, 48, 32, 16, 8, 4, 1};
constexpr int kCutDensity = 16;
constexpr size_t kMostNear = 512;            // elements in a part
constexpr uint32_t kMostSums = 1 << 22;      // that an encoder looks at, of a part
constexpr uint32_t kMostSubsets = 1 << 20;   // that a decoder looks at, of a part
constexpr uint64_t kMostSearched = 1 << 24;  // and of all parts

// Elements of a part from the nearest on.
struct NearPart {
  uint32_t checksum = 0;
  std::vector<uint32_t> columns, places;
  std::vector<uint16_t> weights;
};

std::vector<uint8_t> near_elements(std::span<const uint16_t> weight) {
  std::vector<uint8_t> near(weight.size());
  std::ranges::transform(weight, near.begin(), [](uint16_t w) { return w < kPrecisionWeight; });
  return near;
}

// None if too many are near.
std::optional<NearPart> near_part_of(const Outcomes& outcomes, std::span<const uint16_t> weight,
                                     size_t begin, size_t size) {
  const Part part = part_of(outcomes, begin, size, kMostNear);
  if (part.columns.size() > kMostNear) return std::nullopt;
  std::vector<uint32_t> order(part.columns.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](uint32_t i) { return weight[part.places[i]]; });
  NearPart sorted;
  sorted.checksum = part.checksum;
  for (uint32_t i : order) {
    sorted.columns.push_back(part.columns[i]);
    sorted.places.push_back(part.places[i]);
    sorted.weights.push_back(weight[part.places[i]]);
  }
  return sorted;
}

// All sums of columns whose weights, in increasing order, add up to less than a precision.
class NearSums {
 public:
  NearSums(std::span<const uint32_t> columns, std::span<const uint16_t> weights)
      : columns_(columns), weights_(weights) {}

  int bits() {
    walk(0, 0, kPrecisionWeight);
    return left_ == 0 || zeros_ == kChecksumBits ? 0 : zeros_ + 1;
  }

 private:
  // `sum` of columns before `next`; what else is added must weigh less than `room`.
  void walk(size_t next, uint32_t sum, uint32_t room) {
    for (size_t i = next; i < columns_.size() && weights_[i] < room && left_ > 0; ++i, --left_) {
      const uint32_t added = sum ^ columns_[i];
      zeros_ = std::max(zeros_, std::countl_zero(added));
      walk(i + 1, added, room - weights_[i]);
      if (left_ == 0) return;
    }
  }

  std::span<const uint32_t> columns_;
  std::span<const uint16_t> weights_;
  uint32_t left_ = kMostSums;
  int zeros_ = 0;  // at the beginning of a sum
};

// Subsets of a part's elements, from the lightest on.
class Subsets {
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Subset {
    uint32_t weight, sum;
    uint32_t rest;  // the subset without its last element
    uint32_t last;
  };

 public:
  explicit Subsets(const NearPart& part) : part_(part) {
    if (!part.weights.empty()) offer({part.weights[0], part.columns[0], kNone, 0});
  }

  // The elements of the lightest subset not seen whose columns add up to a sum that begins with
  // these bits; none if all weigh a precision, or too many are looked at. Counts them.
  std::optional<std::vector<uint32_t>> find(uint32_t begins, int bits, uint64_t& searched) {
    while (!heap_.empty()) {
      const auto number = static_cast<uint32_t>(heap_.top());
      heap_.pop();
      const Subset subset = subsets_[number];
      if (subset.sum >> (kChecksumBits - bits) == begins) return elements(number);
      if (subsets_.size() >= kMostSubsets || ++searched > kMostSearched) break;
      const uint32_t next = subset.last + 1;
      if (next == part_.columns.size()) continue;
      // One more element, and the next in place of the last.
      offer({subset.weight + part_.weights[next], subset.sum ^ part_.columns[next], number, next});
      offer({subset.weight - part_.weights[subset.last] + part_.weights[next],
             subset.sum ^ part_.columns[subset.last] ^ part_.columns[next], subset.rest, next});
    }
    return std::nullopt;
  }

 private:
  void offer(const Subset& subset) {
    if (subset.weight >= kPrecisionWeight) return;
    heap_.push(uint64_t{subset.weight} << 32 | subsets_.size());
    subsets_.push_back(subset);
  }
  std::vector<uint32_t> elements(uint32_t number) const {
    std::vector<uint32_t> found;
    for (; number != kNone; number = subsets_[number].rest) found.push_back(subsets_[number].last);
    return found;
  }

  const NearPart& part_;
  std::vector<Subset> subsets_;
  // Weights, each with the number of a subset.
  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> heap_;
};

void check_sizes(const NearOutcomes& outcomes) {
  if (outcomes.parity.size() != outcomes.weight.size() || outcomes.parity.size() > kMostElements) {
    fail(ErrorKind::invalid_argument, "parities and weights must be of one size, at most 2^30");
  }
}

// The first bits of a checksum of all parities from the last to the first: in this order flips that
// a part's code does not tell from none are told by chance.
uint32_t whole_check(std::span<const uint8_t> parity) {
  std::vector<uint8_t> packed((parity.size() + 7) / 8, 0);
  for (size_t i = 0; i < parity.size(); ++i) {
    packed[i / 8] |= (parity[parity.size() - 1 - i] & 1) << (i % 8);
  }
  return crc32(packed) >> (kChecksumBits - kCheckBits);
}

std::vector<uint8_t> write_code(std::span<const CodedPart> coded,
                                std::span<const uint32_t> partition,
                                std::span<const uint8_t> parity, bool check) {
  int shortest = kChecksumBits;
  for (const CodedPart& part : coded) shortest = std::min(shortest, part.length);
  std::vector<uint32_t> longer;
  for (const CodedPart& part : coded) {
    longer.push_back(static_cast<uint32_t>(part.length - shortest));
  }
  const int golomb = golomb_for(longer);
  const bool sent = !is_even(partition, parity.size());
  ByteWriter head;
  head.u8(static_cast<uint8_t>(kNearest | (sent ? kSentPartition : 0) | golomb << kGolombShift));
  head.varint(static_cast<uint32_t>(partition.size()));
  BitWriter bits;
  if (sent) put_partition(bits, partition);
  bits.put(static_cast<uint32_t>(shortest - 1), kLengthBits);
  for (size_t n = 0; n < coded.size(); ++n) {
    bits.put_golomb(longer[n], golomb);
    bits.put(coded[n].code, coded[n].length);
  }
  bits.put(check ? 1 : 0, 1);
  if (check) bits.put(whole_check(parity), kCheckBits);
  head.append(bits.take());
  return head.take();
}

}  // namespace

std::vector<uint8_t> encode_nearest(const NearOutcomes& outcomes, const NearestOptions& options) {
  check_sizes(outcomes);
  const std::vector<uint8_t> near = near_elements(outcomes.weight);
  const Outcomes all{outcomes.parity, near};
  const size_t size = near.size();
  const auto code_part = [&](size_t begin, size_t part_size) -> std::optional<CodedPart> {
    const auto part = near_part_of(all, outcomes.weight, begin, part_size);
    const int length = part ? NearSums(part->columns, part->weights).bits() : 0;
    if (length == 0) return std::nullopt;
    return CodedPart{part->checksum >> (kChecksumBits - length), length};
  };
  const auto code_of = [&](std::span<const uint32_t> parts) -> std::optional<std::vector<uint8_t>> {
    std::vector<CodedPart> coded;
    size_t begin = 0;
    for (uint32_t part_size : parts) {
      const auto part = code_part(begin, part_size);
      if (!part) return std::nullopt;
      coded.push_back(*part);
      begin += part_size;
    }
    return write_code(coded, parts, outcomes.parity, options.check);
  };
  if (!options.partition.empty()) {
    check_partition(options.partition, size);
    auto code = code_of(options.partition);
    if (!code) {
      fail(ErrorKind::invalid_argument,
           "a part has too many near outcomes to tell them apart; make parts smaller");
    }
    return std::move(*code);
  }
  const auto count = std::accumulate(near.begin(), near.end(), size_t{0});
  for (int density : kDensities) {
    const size_t parts = std::min(std::max<size_t>(count / density, 1), size);
    if (auto code = code_of(even_partition(size, parts))) return std::move(*code);
  }
  return *code_of(cut_partition(all, kCutDensity, [&](size_t begin, size_t part_size) {
    return code_part(begin, part_size).has_value();
  }));
}

std::vector<uint8_t> resolve_nearest(const NearOutcomes& outcomes, std::span<const uint8_t> code) {
  check_sizes(outcomes);
  const std::vector<uint8_t> near = near_elements(outcomes.weight);
  const size_t size = near.size();
  ByteReader head(code);
  const uint8_t flags = head.u8("a code's first byte");
  if ((flags & 3) != kNearest) {
    fail(ErrorKind::corrupt_stream, "the code is not one for the nearest outcome");
  }
  const int golomb = flags >> kGolombShift;
  const uint32_t parts = head.varint("the number of parts");
  if (parts > size || (size > 0 && parts == 0)) {
    fail(ErrorKind::corrupt_stream, "a code has more parts than elements, or none");
  }
  BitReader bits(head.take(head.remaining()));
  const std::vector<uint32_t> partition =
      get_partition(bits, parts, size, (flags & kSentPartition) != 0);
  const int shortest = static_cast<int>(bits.get(kLengthBits)) + 1;
  std::vector<uint8_t> flips(size, 0);
  uint64_t searched = 0;
  size_t begin = 0;
  for (uint32_t part_size : partition) {
    const auto longer = bits.get_golomb(golomb, static_cast<uint32_t>(kChecksumBits - shortest));
    const int length = shortest + static_cast<int>(longer);
    const uint32_t part_code = bits.get(length);
    const auto part = near_part_of({outcomes.parity, near}, outcomes.weight, begin, part_size);
    begin += part_size;
    std::optional<std::vector<uint32_t>> found;
    if (part) {
      const uint32_t syndrome = part_code ^ part->checksum >> (kChecksumBits - length);
      if (syndrome == 0) continue;
      found = Subsets(*part).find(syndrome, length, searched);
    }
    if (!found) {
      fail(ErrorKind::corrupt_stream,
           "no near outcome has the code: the stream is corrupt, or it was made for a higher "
           "precision than this machine's");
    }
    for (uint32_t element : *found) flips[part->places[element]] = 1;
  }
  const bool checked = bits.get(1) != 0;
  const uint32_t check = checked ? bits.get(kCheckBits) : 0;
  bits.finish();
  if (!checked) return flips;
  std::vector<uint8_t> parity(outcomes.parity.begin(), outcomes.parity.end());
  for (size_t i = 0; i < size; ++i) parity[i] ^= flips[i];
  if (check != whole_check(parity)) {
    fail(ErrorKind::corrupt_stream,
         "the nearest outcome is not the encoder's: the stream is corrupt, or it was made for a "
         "higher precision than this machine's");
  }
  return flips;
}

bool is_nearest_code(std::span<const uint8_t> code) {
  return !code.empty() && (code[0] & 3) == kNearest;
}

}  // namespace samebits
