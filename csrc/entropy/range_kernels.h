// The seam between the range coder and its vector kernels (csrc/entropy/x86).
//
// A kernel codes whole steps, a step being one symbol for each lane. What is rare it leaves to the
// coder: it calls back with a group of 8 lanes and the mask of those that need more than the usual.
// Kernels contain only intrinsics and plain pointers: an inline function of the standard library
// would be compiled with their instructions and could end up in the rest of the program.
#pragma once

#include <cstddef>
#include <cstdint>

#include "entropy/encode_window.h"
#include "entropy/pair_buckets.h"

namespace samebits {

inline constexpr int kGroupLanes = 8;
inline constexpr int kSpareWords = 16;

// Eight lanes in the middle of a symbol: before it, and after it without the refill.
struct DecodeGroup {
  uint32_t range[kGroupLanes], code[kGroupLanes];
  uint32_t new_range[kGroupLanes], new_code[kGroupLanes];
};

struct DecodeJob {
  const PairBucket* buckets;
  const uint8_t* rows;  // of the next symbols
  int32_t* symbols;
  size_t steps;
  uint32_t* range;  // of all lanes
  uint32_t* code;
  const uint8_t* word;  // the next one
  const uint8_t* words_end;
  // Decodes the lanes of `mask`: sets new_range, new_code and symbols. May throw.
  void (*search)(void* decoder, DecodeGroup& group, unsigned mask, const uint8_t* rows,
                 int32_t* symbols);
  void* decoder;
};

// Decodes steps while all the words that a step can ask for are there, and moves rows, symbols,
// steps and word on. 8, 16 or 32 lanes.
void decode_steps_avx2(DecodeJob& job, int lanes);
// 16 or 32 lanes.
void decode_steps_avx512(DecodeJob& job, int lanes);
// The rest of one step, from one of its groups on, with callbacks where they are needed.
void finish_decode_step_avx2(DecodeJob& job, int first_group, int groups);

// Eight lanes of an encoder in the middle of a symbol: new_range is 0 where the symbol was not
// found in the window, and pending above 0xFFFF where a carry runs on into words already written.
struct EncodeGroup {
  uint32_t range[kGroupLanes];
  uint32_t low[kGroupLanes], new_range[kGroupLanes], pending[kGroupLanes];
};

struct EncodeJob {
  const EncodeWindow* window;
  const uint8_t* rows;
  const int32_t* symbols;
  size_t steps;
  uint32_t* low;  // of all lanes
  uint32_t* range;
  uint32_t* pending;
  // Where the next word and its lane go; each has room for a word per symbol and kSpareWords.
  uint16_t* word;
  uint8_t* word_lane;
  // Does what is left for the lanes of `mask`, the first of which is `first_lane`. Words are
  // written up to `word`. May throw.
  void (*complete)(void* encoder, EncodeGroup& group, unsigned mask, const uint8_t* rows,
                   const int32_t* symbols, int first_lane, const uint16_t* word);
  void* encoder;
};

// Encodes all steps and moves word and word_lane on. 8, 16 or 32 lanes.
void encode_steps_avx2(EncodeJob& job, int lanes);
void encode_steps_avx512(EncodeJob& job, int lanes);
void finish_encode_step_avx2(EncodeJob& job, int first_group, int groups);

}  // namespace samebits
