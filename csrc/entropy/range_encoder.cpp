// arithmetic.md 5, "Encoder".
#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <string>

#include "base/cpu.h"
#include "base/error.h"
#include "entropy/batch_check.h"
#include "entropy/entry_search.h"
#include "entropy/range_coder.h"

namespace samebits {
namespace {

void encode_steps([[maybe_unused]] EncodeJob& job, [[maybe_unused]] int lanes) {
#ifdef SAMEBITS_HAVE_AVX512
  if (vector_set() == VectorSet::avx512 && lanes >= 16) return encode_steps_avx512(job, lanes);
#endif
#ifdef SAMEBITS_HAVE_AVX2
  encode_steps_avx2(job, lanes);
#endif
}

}  // namespace

int lanes_for_bytes(size_t estimated_payload_bytes) {
  const size_t lanes = std::bit_floor(std::max<size_t>(estimated_payload_bytes / 1500, 1));
  return static_cast<int>(std::min<size_t>(lanes, kMaxLanes));
}

RangeEncoder::RangeEncoder(const CdfTables& tables, int lanes) : tables_(tables), lanes_(lanes) {
  if (lanes < 1 || lanes > kMaxLanes || !std::has_single_bit(static_cast<unsigned>(lanes))) {
    fail(ErrorKind::invalid_argument,
         "the range coder takes 1, 2, 4, 8, 16 or 32 lanes, not " + std::to_string(lanes));
  }
  range_.fill(UINT32_MAX);
}

void RangeEncoder::encode(std::span<const int32_t> symbols, std::span<const uint8_t> rows) {
  check_batch(tables_, symbols.size(), rows);
  size_t i = 0;
  if (lanes_ >= kGroupLanes && vector_set() != VectorSet::none) i = encode_vectors(symbols, rows);
  for (; i < symbols.size(); ++i) {
    encode_bounds(static_cast<int>(i & (lanes_ - 1)), bounds_of(rows[i], symbols[i]));
  }
}

void RangeEncoder::encode(const CodedIntervals& batch) {
  size_t i = 0;
  for (const Interval& part : batch.intervals()) {
    const uint32_t bounds[2] = {part.begin, part.last + uint32_t{1}};
    encode_bounds(static_cast<int>(i++ & (lanes_ - 1)), bounds);
  }
  escapes_.insert(escapes_.end(), batch.escapes().begin(), batch.escapes().end());
}

size_t RangeEncoder::encode_vectors(std::span<const int32_t> symbols,
                                    std::span<const uint8_t> rows) {
  constexpr size_t kSymbolsAtOnce = 8192;  // so that room for all their words stays in the cache
  const size_t lanes = static_cast<size_t>(lanes_);
  const size_t whole = symbols.size() - symbols.size() % lanes;
  for (size_t i = 0; i < whole; i += kSymbolsAtOnce) {
    const size_t steps = std::min(kSymbolsAtOnce, whole - i) / lanes;
    const size_t written = words_.size();
    words_.resize(written + steps * lanes + kSpareWords);
    word_lane_.resize(words_.size());
    EncodeJob job{
        .window = &tables_.encode_window(),
        .rows = rows.data() + i,
        .symbols = symbols.data() + i,
        .steps = steps,
        .low = low_.data(),
        .range = range_.data(),
        .pending = pending_.data(),
        .word = words_.data() + written,
        .word_lane = word_lane_.data() + written,
        .complete = complete_group,
        .encoder = this,
    };
    encode_steps(job, lanes_);
    words_.resize(static_cast<size_t>(job.word - words_.data()));
    word_lane_.resize(words_.size());
  }
  return whole;
}

// What the vector kernels cannot do: symbols outside of the window, escapes, and long carries.
void RangeEncoder::complete_group(void* encoder, EncodeGroup& group, unsigned mask,
                                  const uint8_t* rows, const int32_t* symbols, int first_lane,
                                  const uint16_t* word) {
  auto& self = *static_cast<RangeEncoder*>(encoder);
  for (int lane = 0; lane < kGroupLanes; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    if (group.new_range[lane] == 0) {
      const uint32_t* const bounds = self.bounds_of(rows[lane], symbols[lane]);
      const uint32_t lo = scaled(group.range[lane], bounds[0]);
      group.new_range[lane] = scaled(group.range[lane], bounds[1]) - lo;
      group.low[lane] += lo;
      group.pending[lane] += group.low[lane] < lo;
    }
    if (group.pending[lane] >> 16) {
      group.pending[lane] = 0;
      self.carry(first_lane + lane, static_cast<size_t>(word - self.words_.data()));
    }
  }
}

// c[s] and c[s+1] of the symbol's entry s. An escape's value is written, too.
const uint32_t* RangeEncoder::bounds_of(int row_number, int32_t symbol) {
  const CdfTables::Row& row = tables_.row_data()[row_number];
  const uint32_t* const bounds = tables_.bounds() + row.bounds_begin;
  const int64_t entry = int64_t{symbol} - row.min_symbol;
  if (entry >= 0 && entry < row.escape) return bounds + entry;
  append_leb128(escapes_, escape_value(row.min_symbol, row.escape, symbol));
  return bounds + row.escape;
}

void RangeEncoder::encode_bounds(int lane, const uint32_t* bounds) {
  uint32_t& low = low_[lane];
  uint32_t& range = range_[lane];
  const uint32_t lo = scaled(range, bounds[0]);
  range = scaled(range, bounds[1]) - lo;
  low += lo;
  if (low < lo && ++pending_[lane] >> 16) {
    pending_[lane] = 0;
    carry(lane, words_.size());
  }
  if (range >= 1u << 16) return;
  words_.push_back(static_cast<uint16_t>(pending_[lane]));
  word_lane_.push_back(static_cast<uint8_t>(lane));
  pending_[lane] = low >> 16;
  low <<= 16;
  range <<= 16;
}

// Adds one to the number that the lane's words form, the first `words` of all. It never comes to
// the lane's first word, which was pending before there was any: all of a lane stays below 2^32 - 1
// at the scale of the two words after that. For the same reason a carry enters each word only once,
// so that all the ways back together are no longer than the words of all lanes, for each lane.
void RangeEncoder::carry(int lane, size_t words) {
  for (size_t i = words; i > 0; --i) {
    if (word_lane_[i - 1] == lane && ++words_[i - 1] != 0) return;
  }
  assert(false);
}

// The value in [low, low + range) with the most zero bits at its end.
std::array<uint16_t, 2> RangeEncoder::last_words(int lane) {
  const uint64_t low = low_[lane];
  uint64_t value = low;
  for (int bits = 1; bits <= 32; ++bits) {
    const uint64_t unit = uint64_t{1} << bits;
    const uint64_t candidate = (low + unit - 1) & ~(unit - 1);
    if (candidate >= low + range_[lane]) break;
    value = candidate;
  }
  if (value >> 32 && ++pending_[lane] >> 16) {
    pending_[lane] = 0;
    carry(lane, words_.size());
  }
  return {static_cast<uint16_t>(value >> 16), static_cast<uint16_t>(value)};
}

// Brings every word to the place where the decoder asks for it. After the first two, these are the
// renormalizations; what was pending at one belongs where its lane had the third one before it.
void RangeEncoder::place_words(uint8_t* places) {
  struct NextPlaces {
    uint64_t pending_and_next;  // low and high half
    uint64_t last;
  };
  const auto put = [places](uint64_t place, uint32_t word) {
    const uint8_t bytes[2] = {static_cast<uint8_t>(word), static_cast<uint8_t>(word >> 8)};
    std::memcpy(places + 2 * place, bytes, 2);  // one store, which two assignments are not
  };
  const uint64_t begin = 2 * static_cast<uint64_t>(lanes_);
  const size_t count = words_.size();
  const uint64_t nowhere = begin + count;
  std::array<std::array<uint16_t, 2>, kMaxLanes> last;
  std::array<NextPlaces, kMaxLanes> next;
  for (uint64_t lane = 0; lane < begin / 2; ++lane) {
    last[lane] = last_words(static_cast<int>(lane));
    next[lane] = {nowhere | (2 * lane) << 32, 2 * lane + 1};
  }
  const uint16_t* const words = words_.data();
  const uint8_t* const lanes = word_lane_.data();
  for (size_t i = 0; i < count; ++i) {
    NextPlaces& lane = next[lanes[i]];
    const NextPlaces now = lane;
    lane = {now.pending_and_next >> 32 | now.last << 32, begin + i};
    put(static_cast<uint32_t>(now.pending_and_next), words[i]);
  }
  for (uint64_t lane = 0; lane < begin / 2; ++lane) {
    put(static_cast<uint32_t>(next[lane].pending_and_next), pending_[lane]);
    put(next[lane].pending_and_next >> 32, last[lane][0]);
    put(next[lane].last, last[lane][1]);
  }
}

std::vector<uint8_t> RangeEncoder::finish() {
  encode_bounds(0, std::array<uint32_t, 2>{0, kEndMark}.data());
  const size_t start = 2 * static_cast<size_t>(lanes_);
  if (words_.size() >= UINT32_MAX - start) {
    fail(ErrorKind::limit_exceeded, "the range coder writes at most 2^32 - 1 words");
  }
  const uint64_t lanes_log2 =
      static_cast<uint64_t>(std::countr_zero(static_cast<unsigned>(lanes_)));
  const uint64_t head = uint64_t{escapes_.size()} * 8 + lanes_log2;
  if (head >= kLeb128Limit) {
    fail(ErrorKind::limit_exceeded, "the escape section has more than 2^32 - 1 bytes");
  }
  std::vector<uint8_t> payload;
  payload.reserve(5 + escapes_.size() + 2 * (start + words_.size() + 1));
  append_leb128(payload, head);
  payload.insert(payload.end(), escapes_.begin(), escapes_.end());
  const size_t least = payload.size() + 2 * words_.size();
  payload.resize(payload.size() + 2 * (start + words_.size() + 1));  // one is nowhere's
  place_words(payload.data() + least - 2 * words_.size());
  payload.resize(payload.size() - 2);
  while (payload.size() > least && payload.end()[-1] == 0 && payload.end()[-2] == 0) {
    payload.resize(payload.size() - 2);
  }
  return payload;
}

}  // namespace samebits
