// arithmetic.md 5, "Encoder".
#include <algorithm>
#include <bit>
#include <cassert>
#include <string>

#include "base/error.h"
#include "entropy/batch_check.h"
#include "entropy/range_coder.h"

namespace samebits {

int lanes_for_bytes(size_t estimated_payload_bytes) {
  const size_t lanes = std::bit_floor(std::max<size_t>(estimated_payload_bytes / 1500, 1));
  return static_cast<int>(std::min<size_t>(lanes, kMaxLanes));
}

RangeEncoder::RangeEncoder(const CdfTables& tables, int lanes) : tables_(tables), lanes_(lanes) {
  if (lanes < 1 || lanes > kMaxLanes || !std::has_single_bit(static_cast<unsigned>(lanes))) {
    fail(ErrorKind::invalid_argument,
         "the range coder takes 1, 2, 4, 8, 16 or 32 lanes, not " + std::to_string(lanes));
  }
  for (int lane = 0; lane < lanes_; ++lane) {
    lane_[lane].place = 2 * lane;
    lane_[lane].place_next = 2 * lane + 1;
  }
  words_.resize(2 * lanes_);
  written_before_.resize(2 * lanes_, kNone);
}

void RangeEncoder::encode(std::span<const int32_t> symbols, std::span<const uint8_t> rows) {
  check_batch(tables_, symbols.size(), rows);
  for (size_t i = 0; i < symbols.size(); ++i) {
    const CdfTables::Row& row = tables_.row_data()[rows[i]];
    const int64_t entry = static_cast<int64_t>(symbols[i]) - row.min_symbol;
    const bool escaped = entry < 0 || entry >= row.escape;
    const uint32_t* bounds =
        tables_.bounds() + row.bounds_begin + (escaped ? row.escape : static_cast<uint32_t>(entry));
    encode_entry(lane_[i & (lanes_ - 1)], bounds[0], bounds[1]);
    if (escaped) write_escape(rows[i], symbols[i]);
  }
}

void RangeEncoder::encode_entry(Lane& lane, uint32_t begin, uint32_t end) {
  const uint32_t lo = static_cast<uint32_t>((uint64_t{lane.range} * begin) >> kCdfBits);
  const uint32_t hi = static_cast<uint32_t>((uint64_t{lane.range} * end) >> kCdfBits);
  lane.low += lo;
  if (lane.low < lo) carry(lane);
  lane.range = hi - lo;
  if (lane.range >= 1u << 16) return;
  write_word(lane, lane.low >> 16);
  lane.low <<= 16;
  lane.range <<= 16;
  lane.place = lane.place_next;
  // The decoder asks for the lane's word after next here.
  if (words_.size() >= kNone) {
    fail(ErrorKind::limit_exceeded, "the range coder writes at most 2^32 - 1 words");
  }
  lane.place_next = static_cast<uint32_t>(words_.size());
  words_.push_back(0);
  written_before_.push_back(kNone);
}

void RangeEncoder::write_word(Lane& lane, uint32_t word) {
  words_[lane.place] = static_cast<uint16_t>(word);
  written_before_[lane.place] = lane.written;
  lane.written = lane.place;
}

// Adds one to the number that the lane's written words form. It never runs off the first word: all
// of a lane stays below 2^32 - 1 at the scale of its first two words. A word that was 0xFFFF
// becomes 0, so a second carry stops there: the cost per word is constant on average.
void RangeEncoder::carry(Lane& lane) {
  for (uint32_t place = lane.written;; place = written_before_[place]) {
    assert(place != kNone);
    if (++words_[place] != 0) return;
  }
}

void RangeEncoder::write_escape(int row, int32_t symbol) {
  const int64_t above = int64_t{symbol} - tables_.max_symbol(row) - 1;
  const int64_t below = int64_t{tables_.min_symbol(row)} - 1 - symbol;
  append_leb128(escapes_, static_cast<uint64_t>(above >= 0 ? 2 * above : 2 * below + 1));
}

// The value in [low, low + range) with the most zero bits at its end becomes the last two words.
void RangeEncoder::flush(Lane& lane) {
  const uint64_t end = uint64_t{lane.low} + lane.range;
  uint64_t value = lane.low;
  for (int bits = 1; bits <= 32; ++bits) {
    const uint64_t unit = uint64_t{1} << bits;
    const uint64_t candidate = (lane.low + unit - 1) & ~(unit - 1);
    if (candidate >= end) break;
    value = candidate;
  }
  if (value >> 32) carry(lane);
  words_[lane.place] = static_cast<uint16_t>(value >> 16);
  words_[lane.place_next] = static_cast<uint16_t>(value);
}

std::vector<uint8_t> RangeEncoder::finish() {
  encode_entry(lane_[0], 0, kEndMark);
  for (int lane = 0; lane < lanes_; ++lane) flush(lane_[lane]);
  size_t count = words_.size();
  const size_t least = count - 2 * lanes_;
  while (count > least && words_[count - 1] == 0) --count;

  std::vector<uint8_t> payload;
  const uint64_t lanes_log2 =
      static_cast<uint64_t>(std::countr_zero(static_cast<unsigned>(lanes_)));
  const uint64_t head = uint64_t{escapes_.size()} * 8 + lanes_log2;
  if (head >= kLeb128Limit) {
    fail(ErrorKind::limit_exceeded, "the escape section has more than 2^32 - 1 bytes");
  }
  payload.reserve(5 + escapes_.size() + 2 * count);
  append_leb128(payload, head);
  payload.insert(payload.end(), escapes_.begin(), escapes_.end());
  for (size_t i = 0; i < count; ++i) {
    payload.push_back(static_cast<uint8_t>(words_[i]));
    payload.push_back(static_cast<uint8_t>(words_[i] >> 8));
  }
  return payload;
}

}  // namespace samebits
