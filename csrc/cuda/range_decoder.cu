#include "cuda/interface.h"
#include "cuda/launch.h"
#include "cuda/range_decoder.h"

namespace samebits {
namespace {

constexpr int kThreads = 256;  // that copy the tables; then one warp works
constexpr int kWarp = 32;
constexpr int kAhead = 8;  // groups of symbols whose rows are read beforehand
constexpr uint32_t kEndMark = 256;
constexpr unsigned kAllLanes = ~0u;

__device__ __forceinline__ uint32_t scaled(uint32_t range, uint32_t bound) {
  return static_cast<uint32_t>((uint64_t{range} * bound) >> 16);
}

// scaled(range, last + 1), for a last t of up to 2^16 - 1.
__device__ __forceinline__ uint32_t end_of(uint32_t range, uint32_t last) {
  return static_cast<uint32_t>((uint64_t{range} * last + range) >> 16);
}

struct Lane {
  uint32_t range, code;
};

struct Entry {
  uint32_t number, begin, end;  // begin and end as parts of the range
};

// The tables, in shared or in global memory.
class Search {
 public:
  __device__ Search(const unsigned char* memory, const RangeTables::View& view)
      : reciprocals_(reinterpret_cast<const uint32_t*>(memory)),
        rows_(reinterpret_cast<const RangeRow*>(memory + view.rows_at)),
        buckets_(reinterpret_cast<const uint2*>(memory + view.buckets_at)),
        lasts_(reinterpret_cast<const uint16_t*>(memory + view.lasts_at)),
        bits_(view.bucket_bits) {}

  __device__ const RangeRow& row(int n) const { return rows_[n]; }

  __device__ __forceinline__ Entry find(int row, const Lane& lane) const {
    const uint32_t t = lower_bound_of_t(lane);
    const uint2 bucket = buckets_[(static_cast<uint32_t>(row) << bits_) + (t >> (16 - bits_))];
    const uint32_t first_end = end_of(lane.range, bucket.x >> 16);
    const uint32_t second_end = end_of(lane.range, bucket.y & 0xFFFF);
    const uint32_t entry = bucket.y >> 16;
    if (lane.code < first_end) return {entry, scaled(lane.range, bucket.x & 0xFFFF), first_end};
    if (lane.code < second_end) return {entry + 1, first_end, second_end};
    return find_from(row, lane, entry + 2);
  }

 private:
  // t from a reciprocal instead of a division, at most 2 too small. With n the range shifted up to
  // 32 bits: r0 <= 2^63 / n from the table, relative error below 2^-9; one step of Newton's method,
  // which stays below, squares that.
  __device__ __forceinline__ uint32_t lower_bound_of_t(const Lane& lane) const {
    const int shift = __clz(static_cast<int>(lane.range));
    const uint32_t n = lane.range << shift;
    const uint32_t r0 = reciprocals_[n >> 22 & 511];
    const uint32_t missing = 0x7FFFFFFFu - __umulhi(n, r0);
    const uint32_t r1 = r0 + __umulhi(r0, 2 * missing);
    return __umulhi(lane.code << shift, r1) >> 15;
  }

  // The entry is `from` or a later one.
  __device__ Entry find_from(int row, const Lane& lane, uint32_t from) const {
    const RangeRow info = rows_[row];
    const uint16_t* lasts = lasts_ + info.first;
    uint32_t low = from, high = info.escape;
    while (low < high) {
      const uint32_t middle = (low + high) / 2;
      if (lane.code < end_of(lane.range, lasts[middle]))
        high = middle;
      else
        low = middle + 1;
    }
    return {low, end_of(lane.range, lasts[low - 1]), end_of(lane.range, lasts[low])};
  }

  const uint32_t* reciprocals_;
  const RangeRow* rows_;
  const uint2* buckets_;
  const uint16_t* lasts_;
  uint32_t bits_;
};

// The words of a payload, in a window of registers: each lane holds words base + lane and
// base + 32 + lane, and has asked for base + 64 + lane.
class WordWindow {
 public:
  __device__ WordWindow(const StreamHeader& stream, uint32_t words_read, int lane)
      : words_(stream.words), count_(stream.word_count), base_(words_read), lane_(lane) {
    pair_ = word(base_ + lane_) | word(base_ + kWarp + lane_) << 16;
    next_ = word(base_ + 2 * kWarp + lane_);
  }

  __device__ uint32_t words_read() const { return base_ + offset_; }

  // Each lane that needs one gets the next word, in the order of the lanes.
  __device__ __forceinline__ uint32_t take(bool needs) {
    const unsigned needing = __ballot_sync(kAllLanes, needs);
    const uint32_t place = offset_ + __popc(needing & ((1u << lane_) - 1));
    const uint32_t pair = __shfl_sync(kAllLanes, pair_, static_cast<int>(place & 31));
    const uint32_t taken = place < kWarp ? pair & 0xFFFF : pair >> 16;
    offset_ += __popc(needing);
    if (offset_ >= kWarp) {
      offset_ -= kWarp;
      base_ += kWarp;
      pair_ = pair_ >> 16 | next_ << 16;
      next_ = word(base_ + 2 * kWarp + lane_);
    }
    return taken;
  }

 private:
  __device__ uint32_t word(uint32_t place) const { return place < count_ ? words_[place] : 0; }

  const uint16_t* words_;
  uint32_t count_, base_, offset_ = 0;
  int lane_;
  uint32_t pair_, next_;
};

// Reads the next number of the escape section; all lanes do the same. 0 and a problem if there is
// none.
struct EscapeReader {
  const uint8_t* bytes;
  uint32_t count, read;
  uint32_t problems;

  __device__ uint64_t number() {
    uint64_t value = 0;
    for (uint32_t n = 0; n < 5 && read + n < count; ++n) {
      const uint32_t byte = bytes[read + n];
      value |= uint64_t{byte & 0x7F} << (7 * n);
      if (byte >= 0x80) continue;
      if (byte == 0 && n > 0) break;
      read += n + 1;
      return value;
    }
    problems |= kBadEscape;
    return 0;
  }

  __device__ int32_t symbol(const RangeRow& row) {
    const int64_t u = static_cast<int64_t>(number());
    const int64_t v = (u & 1) ? int64_t{row.min_symbol} - 1 - (u >> 1)
                              : int64_t{row.min_symbol} + row.escape + (u >> 1);
    if (v >= INT32_MIN && v <= INT32_MAX) return static_cast<int32_t>(v);
    problems |= kBadEscape;
    return 0;
  }
};

// The group of symbols that begins with number `first`: one for each lane of the coder.
__device__ __forceinline__ void decode_group(const Search& search, int row, bool active,
                                             int64_t place, int32_t* symbols, Lane& state,
                                             WordWindow& words, EscapeReader& escapes) {
  const Entry entry = search.find(row, state);
  Lane next{entry.end - entry.begin, state.code - entry.begin};
  const bool needs = active && next.range < 1u << 16;
  const uint32_t word = words.take(needs);
  if (needs) next = {next.range << 16, next.code << 16 | word};
  if (active) state = next;
  const RangeRow& info = search.row(row);
  int32_t symbol = static_cast<int32_t>(static_cast<uint32_t>(info.min_symbol) + entry.number);
  unsigned escaping = __ballot_sync(kAllLanes, active && entry.number == info.escape);
  while (escaping != 0) {
    const int lane = __ffs(static_cast<int>(escaping)) - 1;
    escaping &= escaping - 1;
    const int their_row =
        static_cast<int>(__shfl_sync(kAllLanes, static_cast<unsigned>(row), lane));
    const int32_t value = escapes.symbol(search.row(their_row));
    if (static_cast<int>(threadIdx.x) == lane) symbol = value;
  }
  if (active) symbols[place] = symbol;
}

template <bool kShared>
__global__ void __launch_bounds__(kThreads)
    decode_kernel(RangeTables::View tables, const StreamHeader* header, CoderState* saved,
                  DeviceStatus* status, RangeBatch batch) {
  SAMEBITS_SHARED_MEMORY(shared);
  if (kShared) {
    for (uint32_t n = threadIdx.x; n < tables.bytes / 16; n += kThreads)
      reinterpret_cast<uint4*>(shared)[n] = tables.memory[n];
    __syncthreads();
  }
  if (threadIdx.x >= kWarp) return;
  const Search search(kShared ? shared : reinterpret_cast<const unsigned char*>(tables.memory),
                      tables);
  const StreamHeader stream = *header;
  const int lane = static_cast<int>(threadIdx.x), lanes = stream.lanes;
  Lane state{saved->range[lane], saved->code[lane]};
  WordWindow words(stream, saved->words_read, lane);
  EscapeReader escapes{stream.escapes, stream.escape_bytes, saved->escapes_read, 0};

  // Lanes that the coder does not have, and places behind the last, go through the motions.
  const bool used = lane < lanes;
  const auto row_of = [&](int64_t place) {
    return used && place < batch.count ? static_cast<int>(batch.rows[place]) : 0;
  };
  int next[kAhead];
#pragma unroll
  for (int n = 0; n < kAhead; ++n) next[n] = row_of(int64_t{n} * lanes + lane);
  for (int64_t first = 0; first < batch.count; first += int64_t{kAhead} * lanes) {
    int row[kAhead];
#pragma unroll
    for (int n = 0; n < kAhead; ++n) {
      row[n] = next[n];
      next[n] = row_of(first + (int64_t{kAhead} + n) * lanes + lane);
    }
#pragma unroll
    for (int n = 0; n < kAhead; ++n) {
      const int64_t place = first + int64_t{n} * lanes + lane;
      if (place - lane >= batch.count) break;
      decode_group(search, row[n], used && place < batch.count, place, batch.symbols, state, words,
                   escapes);
    }
  }
  saved->range[lane] = state.range;
  saved->code[lane] = state.code;
  if (lane != 0) return;
  saved->words_read = words.words_read();
  saved->escapes_read = escapes.read;
  status->problems |= escapes.problems;
}

__global__ void start_kernel(const StreamHeader* header, CoderState* state, DeviceStatus* status) {
  const StreamHeader stream = *header;
  const int lane = static_cast<int>(threadIdx.x);
  const auto word = [&](uint32_t n) -> uint32_t {
    return n < stream.word_count ? stream.words[n] : 0;
  };
  uint32_t code = 0;
  if (lane < stream.lanes) code = word(2 * lane) << 16 | word(2 * lane + 1);
  const bool bad = code == UINT32_MAX;
  state->range[lane] = UINT32_MAX;
  state->code[lane] = bad ? 0 : code;  // code < range must hold for the search to end
  const unsigned any_bad = __ballot_sync(kAllLanes, bad);
  if (lane != 0) return;
  state->words_read = 2 * static_cast<uint32_t>(stream.lanes);
  state->escapes_read = 0;
  status->problems = any_bad != 0 ? uint32_t{kBadStart} : 0u;
  status->crc = 0;
}

__global__ void finish_kernel(const StreamHeader* header, CoderState* state, DeviceStatus* status) {
  if (threadIdx.x != 0) return;
  const uint32_t end = scaled(state->range[0], kEndMark);
  uint32_t problems = 0, words_read = state->words_read;
  if (state->code[0] >= end) problems |= kBadEnd;
  if (end < 1u << 16) ++words_read;
  if (words_read < header->word_count) problems |= kBadEnd;
  if (words_read > uint64_t{header->word_count} + 2 * static_cast<uint32_t>(header->lanes))
    problems |= kWordsMissing;
  if (state->escapes_read != header->escape_bytes) problems |= kBadEnd;
  status->problems |= problems;
}

}  // namespace

cudaError_t prepare_range_decoder(int shared_limit) {
  return cudaFuncSetAttribute(decode_kernel<true>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                              shared_limit);
}

cudaError_t start_payload(const StreamHeader* stream, CoderState* state, DeviceStatus* status,
                          cudaStream_t cuda_stream) {
  return launch(start_kernel, dim3(1), dim3(kWarp), 0, cuda_stream, stream, state, status);
}

cudaError_t decode_batch(const RangeTables& tables, const StreamHeader* stream, CoderState* state,
                         DeviceStatus* status, const RangeBatch& batch, cudaStream_t cuda_stream) {
  const RangeTables::View& view = tables.view();
  if (!tables.fits_shared())
    return launch(decode_kernel<false>, dim3(1), dim3(kWarp), 0, cuda_stream, view, stream, state,
                  status, batch);
  SAMEBITS_RETURN_IF_FAILED(cudaFuncSetAttribute(decode_kernel<true>,
                                                 cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                 static_cast<int>(view.bytes)));
  return launch(decode_kernel<true>, dim3(1), dim3(kThreads), view.bytes, cuda_stream, view, stream,
                state, status, batch);
}

cudaError_t finish_payload(const StreamHeader* stream, CoderState* state, DeviceStatus* status,
                           cudaStream_t cuda_stream) {
  return launch(finish_kernel, dim3(1), dim3(kWarp), 0, cuda_stream, stream, state, status);
}

}  // namespace samebits
