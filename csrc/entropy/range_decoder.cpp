// arithmetic.md 5, seen from the decoder.
#include <string>

#include "base/error.h"
#include "entropy/batch_check.h"
#include "entropy/entry_search.h"
#include "entropy/range_coder.h"

namespace samebits {
namespace {

[[noreturn]] void corrupt(const std::string& what) {
  fail(ErrorKind::corrupt_stream, "range coder payload: " + what);
}

uint32_t load_word(const uint8_t* bytes) {
  return bytes[0] | uint32_t{bytes[1]} << 8;
}

}  // namespace

RangeDecoder::RangeDecoder(const CdfTables& tables, std::span<const uint8_t> payload)
    : tables_(tables) {
  Leb128Reader head(payload);
  const uint64_t first = head.read("range coder payload");
  if ((first & 7) > 5) corrupt("the number of lanes is 2^" + std::to_string(first & 7));
  lanes_ = 1 << (first & 7);
  const uint64_t escape_bytes = first >> 3;
  if (escape_bytes > head.remaining()) {
    fail(ErrorKind::truncated,
         "range coder payload: the escape section has " + std::to_string(escape_bytes) +
             " bytes, only " + std::to_string(head.remaining()) + " are left; is the stream cut?");
  }
  const auto body = payload.subspan(head.position());
  escapes_ = Leb128Reader(body.first(static_cast<size_t>(escape_bytes)));
  words_ = body.subspan(static_cast<size_t>(escape_bytes));
  if (words_.size() % 2 != 0) {
    fail(ErrorKind::truncated, "range coder payload: the words have " +
                                   std::to_string(words_.size()) +
                                   " bytes, an odd number; is the stream cut?");
  }
  word_count_ = words_.size() / 2;
  for (int lane = 0; lane < lanes_; ++lane) {
    const uint32_t high = read_word();
    range_[lane] = UINT32_MAX;
    code_[lane] = high << 16 | read_word();
    if (code_[lane] == UINT32_MAX)
      corrupt("lane " + std::to_string(lane) + " starts with 2^32 - 1");
  }
}

void RangeDecoder::decode(std::span<const uint8_t> rows, std::span<int32_t> symbols) {
  check_batch(tables_, symbols.size(), rows);
  size_t i = 0;
  if (lanes_ >= 8) {
    i = decode_groups<8>(rows, symbols);
  } else if (lanes_ == 4) {
    i = decode_groups<4>(rows, symbols);
  } else if (lanes_ == 2) {
    i = decode_groups<2>(rows, symbols);
  } else {
    i = decode_groups<1>(rows, symbols);
  }
  for (; i < symbols.size(); ++i) {
    symbols[i] = decode_one(static_cast<int>(i & (lanes_ - 1)), tables_.row_data()[rows[i]]);
  }
}

// Decodes groups of lanes while no lane of a group can run out of words, and says how many symbols
// that were. The lanes of a group are independent up to the reading of words, so that their
// searches overlap; a word is loaded whether it is needed or not, because a branch could not be
// predicted.
template <int kGroup>
size_t RangeDecoder::decode_groups(std::span<const uint8_t> rows, std::span<int32_t> symbols) {
  if (word_count_ < kGroup || words_read_ > word_count_ - kGroup) return 0;
  const CdfTables::Row* const row_data = tables_.row_data();
  const uint32_t* const bounds = tables_.bounds();
  const uint16_t* const buckets = tables_.buckets();
  std::array<uint32_t, kMaxLanes> range = range_, code = code_;
  const uint8_t* word = words_.data() + 2 * words_read_;
  const uint8_t* const last = words_.data() + 2 * (word_count_ - kGroup);
  const size_t lane_mask = static_cast<size_t>(lanes_ - 1);
  const size_t whole = symbols.size() - symbols.size() % kGroup;
  size_t i = 0;
  for (; i < whole && word <= last; i += kGroup) {
    uint32_t* const lane_range = range.data() + (i & lane_mask);
    uint32_t* const lane_code = code.data() + (i & lane_mask);
    uint32_t entry[kGroup];
    for (int lane = 0; lane < kGroup; ++lane) {
      const CdfTables::Row& row = row_data[rows[i + lane]];
      const uint32_t* const c = find_entry(row, bounds, buckets, lane_code[lane], lane_range[lane]);
      const uint32_t lo = scaled(lane_range[lane], c[0]);
      lane_range[lane] = scaled(lane_range[lane], c[1]) - lo;
      lane_code[lane] -= lo;
      entry[lane] = static_cast<uint32_t>(c - (bounds + row.bounds_begin));
    }
    for (int lane = 0; lane < kGroup; ++lane) {
      const bool need = lane_range[lane] < 1u << 16;
      const uint32_t refilled = lane_code[lane] << 16 | load_word(word);
      lane_code[lane] = need ? refilled : lane_code[lane];
      lane_range[lane] = need ? lane_range[lane] << 16 : lane_range[lane];
      word += need ? 2 : 0;
    }
    for (int lane = 0; lane < kGroup; ++lane) {
      const CdfTables::Row& row = row_data[rows[i + lane]];
      symbols[i + lane] = entry[lane] == row.escape
                              ? read_escape(row)
                              : row.min_symbol + static_cast<int32_t>(entry[lane]);
    }
  }
  range_ = range;
  code_ = code;
  words_read_ = static_cast<size_t>(word - words_.data()) / 2;
  return i;
}

int32_t RangeDecoder::decode_one(int lane, const CdfTables::Row& row) {
  uint32_t& range = range_[lane];
  uint32_t& code = code_[lane];
  const uint32_t* const c = find_entry(row, tables_.bounds(), tables_.buckets(), code, range);
  const uint32_t lo = scaled(range, c[0]);
  range = scaled(range, c[1]) - lo;
  code -= lo;
  if (range < 1u << 16) {
    range <<= 16;
    code = code << 16 | read_word();
  }
  const uint32_t entry = static_cast<uint32_t>(c - (tables_.bounds() + row.bounds_begin));
  return entry == row.escape ? read_escape(row) : row.min_symbol + static_cast<int32_t>(entry);
}

uint32_t RangeDecoder::read_word() {
  const size_t place = words_read_++;
  if (place < word_count_) return load_word(words_.data() + 2 * place);
  if (place >= word_count_ + 2 * static_cast<size_t>(lanes_)) {
    fail(ErrorKind::truncated, "range coder payload: " + std::to_string(word_count_) +
                                   " words are not enough for its symbols; is the stream cut?");
  }
  return 0;
}

int32_t RangeDecoder::read_escape(const CdfTables::Row& row) {
  const int64_t u = static_cast<int64_t>(escapes_.read("escape section"));
  const int64_t above = int64_t{row.min_symbol} + row.escape + (u >> 1);
  const int64_t below = int64_t{row.min_symbol} - 1 - (u >> 1);
  const int64_t symbol = (u & 1) ? below : above;
  if (symbol < INT32_MIN || symbol > INT32_MAX) {
    corrupt("an escape's value, " + std::to_string(symbol) + ", is no int32");
  }
  return static_cast<int32_t>(symbol);
}

void RangeDecoder::finish() {
  if (code_[0] >= scaled(range_[0], kEndMark)) {
    corrupt("the end mark is wrong; the stream is damaged or was made with other CDF tables");
  }
  range_[0] = scaled(range_[0], kEndMark);
  if (range_[0] < 1u << 16) {
    range_[0] <<= 16;
    code_[0] = code_[0] << 16 | read_word();
  }
  if (words_read_ < word_count_) {
    corrupt(std::to_string(word_count_ - words_read_) + " words follow the end mark");
  }
  if (escapes_.remaining() != 0) {
    corrupt(std::to_string(escapes_.remaining()) + " bytes of the escape section were not used");
  }
}

}  // namespace samebits
