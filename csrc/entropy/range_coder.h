// The range coder of arithmetic.md 5: several lanes over one sequence of 16-bit words.
//
// A lane is a subtractive range coder with carry (Martin 1979; Schindler's byte-wise
// renormalization, here by words). Lanes are independent except for the place of their words: the
// encoder puts each word where the decoder asks for it, so a decoder needs one read position for
// all lanes and can work on the lanes of a group at the same time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "entropy/cdf_tables.h"
#include "entropy/coded_intervals.h"
#include "entropy/leb128.h"
#include "entropy/range_kernels.h"
#include "entropy/value_rows.h"

namespace samebits {

inline constexpr int kMaxLanes = 32;
// The end mark is entry 0 of the row {0, kEndMark}: 8 bits that a damaged stream rarely hits.
inline constexpr uint32_t kEndMark = 256;

// Power of two, 1 .. 32: one lane for each 1500 bytes (a lane costs about 2 bytes).
int lanes_for_bytes(size_t estimated_payload_bytes);

class RangeEncoder {
 public:
  // Keeps a reference to `tables`. `lanes` must be a power of two, 1 .. 32.
  RangeEncoder(const CdfTables& tables, int lanes);

  // One batch: symbols[i] with the CDF row rows[i]. Any int32 symbol can be coded.
  void encode(std::span<const int32_t> symbols, std::span<const uint8_t> rows);

  // One batch of symbols whose rows are known already.
  void encode(const CodedIntervals& batch);

  // Writes the end mark and gives the whole payload; the encoder must not be used afterwards.
  std::vector<uint8_t> finish();

 private:
  // Whole steps only; gives the first symbol that is left.
  size_t encode_vectors(std::span<const int32_t> symbols, std::span<const uint8_t> rows);
  static void complete_group(void* encoder, EncodeGroup& group, unsigned mask, const uint8_t* rows,
                             const int32_t* symbols, int first_lane, const uint16_t* word);
  const uint32_t* bounds_of(int row, int32_t symbol);
  void encode_bounds(int lane, const uint32_t* bounds);
  void carry(int lane, size_t words);
  std::array<uint16_t, 2> last_words(int lane);
  void place_words(uint8_t* places);

  const CdfTables& tables_;
  int lanes_;
  std::array<uint32_t, kMaxLanes> low_{};
  std::array<uint32_t, kMaxLanes> range_;
  // A lane's last word waits here for a carry, which seldom goes further: 0 .. 0x10000.
  std::array<uint32_t, kMaxLanes> pending_{};
  // In the order of the renormalizations: which lane, and what was pending there.
  std::vector<uint16_t> words_;
  std::vector<uint8_t> word_lane_;
  std::vector<uint8_t> escapes_;
};

class RangeDecoder {
 public:
  // Keeps references to `tables` and to the bytes of `payload`.
  // Throws Error(truncated) or Error(corrupt_stream).
  RangeDecoder(const CdfTables& tables, std::span<const uint8_t> payload);
  RangeDecoder(const RangeDecoder&) = delete;  // words_ can refer to tail_

  // One batch: fills symbols[i], decoded with the CDF row rows[i]; sizes must be equal.
  void decode(std::span<const uint8_t> rows, std::span<int32_t> symbols);

  // A stretch of a batch in which symbols may have rows of their own. It begins with lane 0, so all
  // stretches but the last have a multiple of kMaxLanes symbols.
  void decode(std::span<const uint8_t> rows, const ValueRows& values, std::span<int32_t> symbols);

  // Reads the end mark; throws Error(corrupt_stream) unless the payload ends exactly here.
  void finish();

  int lanes() const { return lanes_; }

 private:
  // These decode symbols from `begin` on, in whole steps or groups of lanes, while none of the
  // lanes can run out of words_; they give the first symbol that is left.
  size_t decode_vectors(std::span<const uint8_t> rows, std::span<int32_t> symbols, size_t begin);
  template <int kGroup, class Rows>
  size_t decode_groups(const Rows& rows, std::span<int32_t> symbols, size_t begin);
  template <int kGroup, class Rows>
  size_t decode_whole_groups(const Rows& rows, std::span<int32_t> symbols);
  template <class Rows>
  void decode_batch(const Rows& rows, std::span<int32_t> symbols);

  static void search_group(void* decoder, DecodeGroup& group, unsigned mask, const uint8_t* rows,
                           int32_t* symbols);
  int32_t symbol_of(int32_t min_symbol, uint32_t escape, uint32_t entry);
  int32_t read_escape(int32_t min_symbol, uint32_t escape);
  uint32_t read_word();
  void move_to_tail();

  const CdfTables& tables_;
  std::array<uint32_t, kMaxLanes> range_;
  std::array<uint32_t, kMaxLanes> code_;
  int lanes_ = 1;
  size_t payload_words_ = 0;
  // The payload's words; near their end, tail_: the last of them and the zeros that may follow.
  std::span<const uint8_t> words_;
  size_t next_word_ = 0;     // in words_
  size_t words_before_ = 0;  // words_
  bool in_tail_ = false;
  std::array<uint8_t, 2 * 3 * kMaxLanes> tail_;
  Leb128Reader escapes_;
};

}  // namespace samebits
