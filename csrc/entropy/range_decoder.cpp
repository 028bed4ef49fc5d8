// arithmetic.md 5, seen from the decoder.
#include <algorithm>
#include <bit>
#include <string>
#include <type_traits>

#include "base/cpu.h"
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

// Takes the lane into entry [begin, end) of a row and leaves out the refill.
void take(uint32_t begin, uint32_t end, uint32_t& range, uint32_t& code) {
  const uint32_t lo = scaled(range, begin);
  range = scaled(range, end) - lo;
  code -= lo;
}

// What a symbol needs of its row besides the entry.
struct RowEnds {
  int32_t min_symbol;
  uint32_t escape;
};

// The rows of a batch: of the tables, one for each symbol. take() finds the entry of symbol i.
struct TableRows {
  const CdfTables& tables;
  std::span<const uint8_t> rows;

  uint32_t take(size_t i, uint32_t& range, uint32_t& code) const {
    const CdfTables::Row& row = tables.row_data()[rows[i]];
    const uint32_t* const c = find_entry(row, tables.bounds(), tables.buckets(), code, range);
    samebits::take(c[0], c[1], range, code);
    return static_cast<uint32_t>(c - (tables.bounds() + row.bounds_begin));
  }
  RowEnds ends(size_t i) const {
    const CdfTables::Row& row = tables.row_data()[rows[i]];
    return {row.min_symbol, row.escape};
  }
};

// The last of the n entries that starts at or before t, without a branch that depends on t.
uint32_t entry_at(const uint16_t* c, uint32_t n, uint32_t t) {
  uint32_t entry = 0;
  for (uint32_t step = std::bit_floor(n - 1); step != 0; step >>= 1) {
    const uint32_t next = entry + step;
    const uint32_t start = c[next < n ? next : entry];
    entry = next < n && start <= t ? next : entry;
  }
  return entry;
}

// The same where symbols may have rows of their own.
struct OwnRows {
  TableRows table;
  const ValueRows& values;

  uint32_t take(size_t i, uint32_t& range, uint32_t& code) const {
    if (!values.has(table.rows[i])) return table.take(i, range, code);
    const uint16_t* const c = values.of(i);
    const uint32_t n = static_cast<uint32_t>(values.entries);
    const uint32_t entry = entry_at(c, n, target(code, range));
    const bool is_escape = entry + 1 == n;
    samebits::take(c[entry], is_escape ? 1u << kCdfBits : c[entry + 1], range, code);
    return entry;
  }
  RowEnds ends(size_t i) const {
    if (!values.has(table.rows[i])) return table.ends(i);
    return {values.min_symbol, static_cast<uint32_t>(values.entries - 1)};
  }
};

void decode_steps([[maybe_unused]] DecodeJob& job, [[maybe_unused]] int lanes) {
#ifdef SAMEBITS_HAVE_AVX512
  if (vector_set() == VectorSet::avx512 && lanes >= 16) return decode_steps_avx512(job, lanes);
#endif
#ifdef SAMEBITS_HAVE_AVX2
  decode_steps_avx2(job, lanes);
#endif
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
  payload_words_ = words_.size() / 2;
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
  decode_batch(TableRows{tables_, rows}, symbols);
}

void RangeDecoder::decode(std::span<const uint8_t> rows, const ValueRows& values,
                          std::span<int32_t> symbols) {
  check_batch(tables_, symbols.size(), rows);
  check_value_rows(values, symbols.size());
  decode_batch(OwnRows{{tables_, rows}, values}, symbols);
}

template <class Rows>
void RangeDecoder::decode_batch(const Rows& rows, std::span<int32_t> symbols) {
  size_t i = 0;
  if (lanes_ >= 8) {
    i = decode_whole_groups<8>(rows, symbols);
  } else if (lanes_ == 4) {
    i = decode_whole_groups<4>(rows, symbols);
  } else if (lanes_ == 2) {
    i = decode_whole_groups<2>(rows, symbols);
  } else {
    i = decode_whole_groups<1>(rows, symbols);
  }
  for (; i < symbols.size(); ++i) {
    uint32_t& range = range_[i & (lanes_ - 1)];
    uint32_t& code = code_[i & (lanes_ - 1)];
    const uint32_t entry = rows.take(i, range, code);
    if (range < 1u << 16) {
      range <<= 16;
      code = code << 16 | read_word();
    }
    const RowEnds ends = rows.ends(i);
    symbols[i] = symbol_of(ends.min_symbol, ends.escape, entry);
  }
}

// Where the words run short, the tail has more of them, if not for all symbols.
template <int kGroup, class Rows>
size_t RangeDecoder::decode_whole_groups(const Rows& rows, std::span<int32_t> symbols) {
  size_t i = 0;
  if constexpr (kGroup == kGroupLanes && std::is_same_v<Rows, TableRows>) {
    if (vector_set() != VectorSet::none) {
      i = decode_vectors(rows.rows, symbols, i);
      if (symbols.size() - i >= static_cast<size_t>(lanes_) && !in_tail_) {
        move_to_tail();
        i = decode_vectors(rows.rows, symbols, i);
      }
    }
  }
  i = decode_groups<kGroup>(rows, symbols, i);
  if (symbols.size() - i >= kGroup && !in_tail_) {
    move_to_tail();
    i = decode_groups<kGroup>(rows, symbols, i);
  }
  return i;
}

size_t RangeDecoder::decode_vectors(std::span<const uint8_t> rows, std::span<int32_t> symbols,
                                    size_t begin) {
  DecodeJob job{
      .buckets = tables_.pair_buckets(),
      .rows = rows.data() + begin,
      .symbols = symbols.data() + begin,
      .steps = (symbols.size() - begin) / static_cast<size_t>(lanes_),
      .range = range_.data(),
      .code = code_.data(),
      .word = words_.data() + 2 * next_word_,
      .words_end = words_.data() + words_.size(),
      .search = search_group,
      .decoder = this,
  };
  decode_steps(job, lanes_);
  next_word_ = static_cast<size_t>(job.word - words_.data()) / 2;
  return static_cast<size_t>(job.symbols - symbols.data());
}

// What the vector kernels cannot do: the lanes of `mask` search their rows and read escapes.
void RangeDecoder::search_group(void* decoder, DecodeGroup& group, unsigned mask,
                                const uint8_t* rows, int32_t* symbols) {
  auto& self = *static_cast<RangeDecoder*>(decoder);
  for (int lane = 0; lane < kGroupLanes; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    const TableRows row{self.tables_, {rows + lane, 1}};
    const uint32_t entry = row.take(0, group.range[lane], group.code[lane]);
    group.new_range[lane] = group.range[lane];
    group.new_code[lane] = group.code[lane];
    symbols[lane] = self.symbol_of(row.ends(0).min_symbol, row.ends(0).escape, entry);
  }
}

// The lanes of a group are independent up to the reading of words, so that their searches overlap;
// a word is loaded whether it is needed or not, because a branch could not be predicted.
template <int kGroup, class Rows>
size_t RangeDecoder::decode_groups(const Rows& rows, std::span<int32_t> symbols, size_t begin) {
  if (words_.size() / 2 - next_word_ < kGroup) return begin;
  std::array<uint32_t, kMaxLanes> range = range_, code = code_;
  const uint8_t* word = words_.data() + 2 * next_word_;
  const uint8_t* const last = words_.data() + words_.size() - 2 * kGroup;
  const size_t lane_mask = static_cast<size_t>(lanes_ - 1);
  const size_t whole = symbols.size() - (symbols.size() - begin) % kGroup;
  size_t i = begin;
  for (; i < whole && word <= last; i += kGroup) {
    uint32_t* const lane_range = range.data() + (i & lane_mask);
    uint32_t* const lane_code = code.data() + (i & lane_mask);
    uint32_t entry[kGroup];
    for (int lane = 0; lane < kGroup; ++lane) {
      entry[lane] = rows.take(i + lane, lane_range[lane], lane_code[lane]);
    }
    for (int lane = 0; lane < kGroup; ++lane) {
      const bool need = lane_range[lane] < 1u << 16;
      const uint32_t refilled = lane_code[lane] << 16 | load_word(word);
      lane_code[lane] = need ? refilled : lane_code[lane];
      lane_range[lane] = need ? lane_range[lane] << 16 : lane_range[lane];
      word += need ? 2 : 0;
    }
    for (int lane = 0; lane < kGroup; ++lane) {
      const RowEnds ends = rows.ends(i + lane);
      symbols[i + lane] = symbol_of(ends.min_symbol, ends.escape, entry[lane]);
    }
  }
  range_ = range;
  code_ = code;
  next_word_ = static_cast<size_t>(word - words_.data()) / 2;
  return i;
}

uint32_t RangeDecoder::read_word() {
  if (next_word_ == words_.size() / 2) {
    if (in_tail_) {
      fail(ErrorKind::truncated, "range coder payload: " + std::to_string(payload_words_) +
                                     " words are not enough for its symbols; is the stream cut?");
    }
    move_to_tail();
  }
  return load_word(words_.data() + 2 * next_word_++);
}

// Fewer words are left than there are lanes.
void RangeDecoder::move_to_tail() {
  const auto left = words_.subspan(2 * next_word_);
  tail_.fill(0);
  std::copy(left.begin(), left.end(), tail_.begin());
  words_ = std::span(tail_).first(left.size() + 4 * static_cast<size_t>(lanes_));
  words_before_ = next_word_;
  next_word_ = 0;
  in_tail_ = true;
}

int32_t RangeDecoder::symbol_of(int32_t min_symbol, uint32_t escape, uint32_t entry) {
  return entry == escape ? read_escape(min_symbol, escape)
                         : min_symbol + static_cast<int32_t>(entry);
}

int32_t RangeDecoder::read_escape(int32_t min_symbol, uint32_t escape) {
  const int64_t u = static_cast<int64_t>(escapes_.read("escape section"));
  const int64_t above = int64_t{min_symbol} + escape + (u >> 1);
  const int64_t below = int64_t{min_symbol} - 1 - (u >> 1);
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
  const size_t words_read = words_before_ + next_word_;
  if (words_read < payload_words_) {
    corrupt(std::to_string(payload_words_ - words_read) + " words follow the end mark");
  }
  if (escapes_.remaining() != 0) {
    corrupt(std::to_string(escapes_.remaining()) + " bytes of the escape section were not used");
  }
}

}  // namespace samebits
