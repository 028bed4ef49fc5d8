// The range decoder of arithmetic.md 5 on the device: one warp, a lane of the coder in each of its
// lanes. Any payload ends: problems are noted, words and escapes that are not there count as zeros.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <vector>

#include "cuda/device_memory.h"

namespace samebits {

// What the host writes before a decode; the first thing that is uploaded.
struct StreamHeader {
  const uint16_t* words;
  const uint8_t* escapes;
  uint8_t* pixels;
  uint32_t word_count, escape_bytes;
  int32_t lanes, quality;
};

// What the host reads after a decode.
struct DeviceStatus {
  uint32_t problems;  // CudaProblem
  uint32_t crc;
};

// Between the batches of a payload.
struct CoderState {
  uint32_t range[32], code[32];
  uint32_t words_read, escapes_read;
};

// A CDF row, as the kernel reads it.
struct RangeRow {
  uint32_t first;  // of its entries
  int32_t min_symbol;
  uint32_t escape;
};

// CDF tables as the kernel searches them: one piece of memory, which fits the shared memory of a
// block if it can.
//
//   reciprocals  of the upper 10 bits of a normalized range
//   rows
//   buckets      of t (arithmetic.md 5), a power of two for each row: the entry that the bucket
//                begins in and the one after it {start, last t, last t, entry}, 16 bits each
//   lasts        the last t of every entry
class RangeTables {
 public:
  RangeTables(int rows, const uint16_t* starts, const int32_t* row_begin, const int32_t* min_symbol,
              size_t shared_limit);

  struct View {
    const uint4* memory;
    uint32_t bytes;
    uint32_t rows_at, buckets_at, lasts_at;  // in bytes
    uint32_t bucket_bits;
  };
  const View& view() const { return view_; }
  bool fits_shared() const { return fits_shared_; }

 private:
  std::vector<uint8_t> build(int rows, const uint16_t* starts, const int32_t* row_begin,
                             const int32_t* min_symbol);

  DeviceBuffer memory_;
  View view_{};
  bool fits_shared_ = false;
};

// Allows the decoder its shared memory; once for each device.
cudaError_t prepare_range_decoder(int shared_limit);

cudaError_t start_payload(const StreamHeader* stream, CoderState* state, DeviceStatus* status,
                          cudaStream_t cuda_stream);

// One batch: symbols[i] with CDF row rows[i].
struct RangeBatch {
  const uint8_t* rows;
  int32_t* symbols;
  int64_t count;
};
cudaError_t decode_batch(const RangeTables& tables, const StreamHeader* stream, CoderState* state,
                         DeviceStatus* status, const RangeBatch& batch, cudaStream_t cuda_stream);

// The end mark, and whether everything was read.
cudaError_t finish_payload(const StreamHeader* stream, CoderState* state, DeviceStatus* status,
                           cudaStream_t cuda_stream);

}  // namespace samebits
