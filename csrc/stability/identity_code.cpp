#include "stability/identity_code.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace samebits {
namespace {

// Ambiguous elements a part: on the average of even parts, from the shortest code on, and of parts
// that are cut where they have enough.
constexpr std::array<int, 6> kDensities = {20, 16, 12, 8, 4, 1};
constexpr int kCutDensity = 24;

// Equations over GF(2) in at most 32 unknowns, kept in echelon form.
class Equations {
 public:
  explicit Equations(int unknowns) : unknowns_(unknowns) {}

  // The sum of the unknowns in `row` is `value`. False: that contradicts the others.
  bool add(uint32_t row, uint32_t value) {
    for (int bit = unknowns_ - 1; bit >= 0; --bit) {
      if ((row >> bit & 1) == 0) continue;
      if (rows_[bit] == 0) {
        rows_[bit] = row;
        values_[bit] = value;
        ++rank_;
        return true;
      }
      row ^= rows_[bit];
      value ^= values_[bit];
    }
    return value == 0;
  }
  bool is_solved() const { return rank_ == unknowns_; }
  // The unknowns, if the equations leave one solution.
  uint32_t solution() const {
    uint32_t found = 0;
    for (int bit = 0; bit < unknowns_; ++bit) {
      const uint32_t lower = rows_[bit] & ((uint32_t{1} << bit) - 1);
      const uint32_t value = values_[bit] ^ (std::popcount(lower & found) & 1);
      found |= value << bit;
    }
    return found;
  }

 private:
  int unknowns_;
  int rank_ = 0;
  std::array<uint32_t, kChecksumBits> rows_{}, values_{};
};

// Bit `place` of a checksum, counted from the most significant, for all columns.
uint32_t row_of(std::span<const uint32_t> columns, int place) {
  uint32_t row = 0;
  for (size_t i = 0; i < columns.size(); ++i) {
    row |= (columns[i] >> (kChecksumBits - 1 - place) & 1) << i;
  }
  return row;
}

void check(const Outcomes& outcomes) {
  if (outcomes.parity.size() != outcomes.ambiguous.size() ||
      outcomes.parity.size() > kMostElements) {
    fail(ErrorKind::invalid_argument,
         "parities and ambiguous elements must be of one size, at most 2^30");
  }
}

// Of all parts; none if one cannot be told apart.
std::optional<std::vector<CodedPart>> code_parts(const Outcomes& outcomes,
                                                 std::span<const uint32_t> partition) {
  std::vector<CodedPart> coded;
  size_t begin = 0;
  for (uint32_t size : partition) {
    const Part part = part_of(outcomes, begin, size, kChecksumBits);
    const int length = distinguishing_bits(part.columns);
    if (length == 0) return std::nullopt;
    coded.push_back({part.checksum >> (kChecksumBits - length), length});
    begin += size;
  }
  return coded;
}

void put_length(BitWriter& bits, LengthCode code, int golomb, int length) {
  const auto value = static_cast<uint32_t>(length - 1);
  if (code == LengthCode::fixed) bits.put(value, kLengthBits);
  if (code == LengthCode::unary) bits.put_unary(value);
  if (code == LengthCode::golomb) bits.put_golomb(value, golomb);
}

int get_length(BitReader& bits, LengthCode code, int golomb) {
  if (code == LengthCode::fixed) return static_cast<int>(bits.get(kLengthBits)) + 1;
  const int k = code == LengthCode::golomb ? golomb : 0;
  return static_cast<int>(bits.get_golomb(k, kChecksumBits - 1)) + 1;
}

std::vector<uint8_t> write_code(std::span<const CodedPart> coded,
                                std::span<const uint32_t> partition, size_t size,
                                LengthCode lengths) {
  std::vector<uint32_t> values;
  for (const CodedPart& part : coded) values.push_back(static_cast<uint32_t>(part.length - 1));
  const int golomb = lengths == LengthCode::golomb ? golomb_for(values) : 0;
  const bool sent = !is_even(partition, size);
  ByteWriter head;
  head.u8(static_cast<uint8_t>(static_cast<int>(lengths) | (sent ? kSentPartition : 0) |
                               golomb << kGolombShift));
  head.varint(static_cast<uint32_t>(partition.size()));
  BitWriter bits;
  if (sent) put_partition(bits, partition);
  for (const CodedPart& part : coded) {
    put_length(bits, lengths, golomb, part.length);
    bits.put(part.code, part.length);
  }
  head.append(bits.take());
  return head.take();
}

void resolve_part(const Part& part, uint32_t code, int length, std::vector<uint8_t>& flips) {
  const int unknowns = static_cast<int>(part.columns.size());
  if (unknowns > kChecksumBits) {
    fail(ErrorKind::corrupt_stream,
         "more elements are ambiguous than a code can tell apart: the stream is corrupt, or it was "
         "made for a higher precision than this machine's");
  }
  const uint32_t syndrome = code ^ part.checksum >> (kChecksumBits - length);
  Equations equations(unknowns);
  bool consistent = true;
  for (int place = 0; place < length; ++place) {
    consistent &= equations.add(row_of(part.columns, place), syndrome >> (length - 1 - place) & 1);
  }
  if (!consistent || !equations.is_solved()) {
    fail(ErrorKind::corrupt_stream,
         std::string(consistent ? "several outcomes have" : "no outcome has") +
             " the code: the stream is corrupt, or it was made for a higher precision than this "
             "machine's");
  }
  const uint32_t solution = equations.solution();
  for (int i = 0; i < unknowns; ++i) flips[part.places[i]] = solution >> i & 1;
}

}  // namespace

int distinguishing_bits(std::span<const uint32_t> columns) {
  if (columns.size() > kChecksumBits) return 0;
  Equations equations(static_cast<int>(columns.size()));
  for (int place = 0; place < kChecksumBits; ++place) {
    equations.add(row_of(columns, place), 0);
    if (equations.is_solved()) return place + 1;
  }
  return 0;
}

std::vector<uint8_t> encode_identity(const Outcomes& outcomes, const IdentityOptions& options) {
  check(outcomes);
  const size_t size = outcomes.parity.size();
  if (!options.partition.empty()) {
    check_partition(options.partition, size);
    const auto coded = code_parts(outcomes, options.partition);
    if (!coded) {
      fail(
          ErrorKind::invalid_argument,
          "a part has outcomes that a checksum of 32 bits does not tell apart; make parts smaller");
    }
    return write_code(*coded, options.partition, size, options.lengths);
  }
  const auto count = std::accumulate(outcomes.ambiguous.begin(), outcomes.ambiguous.end(), 0u);
  std::vector<uint8_t> best;
  const auto offer = [&](std::span<const uint32_t> partition) {
    const auto coded = code_parts(outcomes, partition);
    if (!coded) return;
    std::vector<uint8_t> code = write_code(*coded, partition, size, options.lengths);
    if (best.empty() || code.size() < best.size()) best = std::move(code);
  };
  for (int density : kDensities) {
    if (!best.empty()) break;
    offer(even_partition(size, std::min<size_t>(std::max<size_t>(count / density, 1), size)));
  }
  offer(cut_partition(outcomes, kCutDensity, [&](size_t begin, size_t part_size) {
    return distinguishing_bits(part_of(outcomes, begin, part_size, kChecksumBits).columns) != 0;
  }));
  return best;
}

std::vector<uint8_t> resolve_identity(const Outcomes& outcomes, std::span<const uint8_t> code) {
  check(outcomes);
  const size_t size = outcomes.parity.size();
  ByteReader head(code);
  const uint8_t flags = head.u8("a code's first byte");
  if ((flags & 3) > static_cast<int>(LengthCode::golomb)) {
    fail(ErrorKind::corrupt_stream, "lengths of codes are coded in an unknown way");
  }
  const auto lengths = static_cast<LengthCode>(flags & 3);
  const int golomb = flags >> kGolombShift;
  const uint32_t parts = head.varint("the number of parts");
  if (parts > size) fail(ErrorKind::corrupt_stream, "a code has more parts than elements");
  BitReader bits(head.take(head.remaining()));
  const std::vector<uint32_t> partition =
      get_partition(bits, parts, size, (flags & kSentPartition) != 0);
  if (size > 0 && parts == 0) fail(ErrorKind::corrupt_stream, "a code has no parts");
  std::vector<uint8_t> flips(size, 0);
  size_t begin = 0;
  for (uint32_t part_size : partition) {
    const int length = get_length(bits, lengths, golomb);
    const uint32_t part_code = bits.get(length);
    resolve_part(part_of(outcomes, begin, part_size, kChecksumBits), part_code, length, flips);
    begin += part_size;
  }
  bits.finish();
  return flips;
}

}  // namespace samebits
