#include "cuda/dense_conv.h"
#include "cuda/launch.h"

namespace samebits {
namespace {

// A block makes kPixels x 64 outputs in warps of 32 x 32, from stages of 64 input channels of one
// tap: pixels as they are (16 bits), weights already cut into digits.
constexpr int kStages = 3;
constexpr int kStepChannels = 64;
constexpr int kRowBytes = kStepChannels * 2;
constexpr int kRowParts = kRowBytes / 16;
constexpr int kTileBytes = 256;  // one digit of 32 inputs x 8 outputs
constexpr int kBlockTiles = kTileChannels / 8;
constexpr int kStagedRow = kTileChannels + 8;  // int16 a row of staged outputs; 8 against conflicts

template <int kPixels>
constexpr int kThreads = kPixels * 2;

template <DigitKind kDigits>
constexpr int kWeightBytes = 2 * kBlockTiles* Digits<kDigits>::kWeightPlanes* kTileBytes;

template <int kPixels, DigitKind kDigits>
constexpr int kStageBytes = kPixels* kRowBytes + kWeightBytes<kDigits>;

// Where 16 bytes of a pixel's row lie: rows of 128 bytes would meet in the same banks.
__device__ __forceinline__ int place_of(int row, int part) {
  return row * kRowBytes + ((part ^ (row & 7)) * 16);
}

struct Pixel {
  int y, x;
};

__device__ __forceinline__ Pixel position_of(const Lattice& at, int n) {
  const int two_rows = at.count[0] + at.count[1];
  const int pair = n / two_rows, rest = n - pair * two_rows;
  const int odd = rest >= at.count[0] ? 1 : 0;
  return {2 * pair + odd, at.first[odd] + (rest - odd * at.count[0]) * at.stride[odd]};
}

// Copies the stages of a block from global memory.
template <int kPixels, DigitKind kDigits>
class StageLoader {
 public:
  __device__ StageLoader(const DenseConv& conv, const ConvSegment& segment, int first_tile)
      : conv_(conv), segment_(segment) {
    steps_per_tap_ = (conv.in_channels + kStepChannels - 1) / kStepChannels;
    const int pad = (conv.kernel - 1) / 2;
    const int first =
        static_cast<int>(blockIdx.x) * kPixels + static_cast<int>(threadIdx.x) / kRowParts;
    for (int i = 0; i < kRows; ++i) {
      const int n = first + i * (kPixels / kRows);
      y_[i] = x_[i] = INT32_MIN / 2;  // reads zeros
      if (n >= segment.positions) continue;
      const Pixel pixel = position_of(segment.at, n);
      y_[i] = (pixel.y + segment.first_row) * conv.stride - pad;
      x_[i] = pixel.x * conv.stride - pad;
    }
    weights_ = conv.weights + int64_t{first_tile} * kPlaneBytes + threadIdx.x * 16;
  }

  __device__ int steps() const { return steps_per_tap_ * conv_.kernel * conv_.kernel; }

  __device__ void load(int step, unsigned char* stage) const {
    const int tap = step / steps_per_tap_;
    const int part = static_cast<int>(threadIdx.x) % kRowParts;
    const int channel = (step - tap * steps_per_tap_) * kStepChannels + part * 8;
    const int ky = tap / conv_.kernel, kx = tap - ky * conv_.kernel;
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const int y = y_[i] + ky, x = x_[i] + kx;
      const bool inside =
          y >= 0 && y < segment_.height && x >= 0 && x < segment_.width && channel < conv_.in_pitch;
      const int64_t pixel = int64_t{y} * segment_.width + x;
      const int16_t* from = segment_.x + (inside ? pixel * conv_.in_pitch + channel : 0);
      const int row = static_cast<int>(threadIdx.x) / kRowParts + i * (kPixels / kRows);
      copy_16_async(stage + place_of(row, part), from, inside);
    }
    load_weights(step, stage + kPixels * kRowBytes);
  }

 private:
  static constexpr int kRows = 4;  // a thread's pixels
  static constexpr int kPlaneBytes = Digits<kDigits>::kWeightPlanes * kTileBytes;

  __device__ void load_weights(int step, unsigned char* to) const {
    constexpr int kHalf = kWeightBytes<kDigits> / 2;  // for 32 input channels
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const uint8_t* from = weights_ + (int64_t{step} * 2 + half) * conv_.tiles * kPlaneBytes;
#pragma unroll
      for (int n = 0; n < kHalf; n += kThreads<kPixels> * 16) {
        const int place = n + static_cast<int>(threadIdx.x) * 16;
        if (place < kHalf) copy_16_async(to + half * kHalf + place, from + n, true);
      }
    }
  }

  const DenseConv& conv_;
  const ConvSegment& segment_;
  int steps_per_tap_;
  int y_[kRows], x_[kRows];
  const uint8_t* weights_;
};

// One stage's products of a warp: 32 pixels x 32 channels x 64 inputs.
template <int kPixels, DigitKind kDigits>
__device__ __forceinline__ void multiply_stage(const unsigned char* stage, int warp_pixel,
                                               int warp_tile,
                                               int32_t (&sum)[2][4][Digits<kDigits>::kSums][4]) {
  using D = Digits<kDigits>;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const unsigned char* weights = stage + kPixels * kRowBytes;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    uint32_t a[2][D::kInputPlanes][4];
#pragma unroll
    for (int m = 0; m < 2; ++m) {
#pragma unroll
      for (int quarter = 0; quarter < 2; ++quarter) {
        // Matrices: rows 0-7 and 8-15 of 8 channels, then the same of the next 8.
        const int row = warp_pixel + 16 * m + lane % 16;
        const int part = 4 * half + 2 * quarter + lane / 16;
        uint32_t v[4];
        load_matrix_x4(v, stage + place_of(row, part));
        D::split(v[0], v[2], 2 * quarter, a[m]);
        D::split(v[1], v[3], 2 * quarter + 1, a[m]);
      }
    }
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      uint32_t b[D::kWeightPlanes][2];
#pragma unroll
      for (int plane = 0; plane < D::kWeightPlanes; ++plane) {
        const int tile = (half * kBlockTiles + warp_tile + n) * D::kWeightPlanes + plane;
        const uint2 both = *reinterpret_cast<const uint2*>(weights + tile * kTileBytes + lane * 8);
        b[plane][0] = both.x;
        b[plane][1] = both.y;
      }
#pragma unroll
      for (int m = 0; m < 2; ++m) D::multiply(sum[m][n], a[m], b);
    }
  }
}

// The sums of a warp to activations in shared memory (or to conv.sums).
template <DigitKind kDigits>
__device__ __forceinline__ void finish_sums(const DenseConv& conv, const ConvSegment& segment,
                                            int first_tile, int warp_pixel, int warp_tile,
                                            const int32_t (&sum)[2][4][Digits<kDigits>::kSums][4],
                                            int16_t* staged) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int32_t* more_bias =
      conv.bias_table ? conv.bias_table + int64_t{*conv.quality} * conv.out_channels : nullptr;
#pragma unroll
  for (int n = 0; n < 4; ++n) {
#pragma unroll
    for (int odd = 0; odd < 2; ++odd) {
      const int column = (warp_tile + n) * 8 + 2 * (lane % 4) + odd;
      const int o = first_tile * 8 + column;
      const bool used = o >= segment.begin && o < segment.begin + segment.count;
      const ChannelScale scale = conv.scales[o];
      uint32_t bias = static_cast<uint32_t>(scale.bias);
      if (used && more_bias) bias += static_cast<uint32_t>(more_bias[o]);
#pragma unroll
      for (int m = 0; m < 2; ++m) {
#pragma unroll
        for (int lower = 0; lower < 2; ++lower) {
          const int row = warp_pixel + 16 * m + 8 * lower + lane / 4;
          const int32_t total =
              static_cast<int32_t>(Digits<kDigits>::total(sum[m][n], 2 * lower + odd) + bias);
          if (conv.sums) {
            const int64_t pixel = int64_t{blockIdx.x} * (blockDim.x / 2) + row;
            if (used && pixel < segment.positions) conv.sums[pixel * conv.out_channels + o] = total;
            continue;
          }
          staged[row * kStagedRow + column] =
              used ? static_cast<int16_t>(requantized(total, scale, conv.activation)) : int16_t{0};
        }
      }
    }
  }
}

// Adds two registers of two int16 each and clamps.
__device__ __forceinline__ uint32_t add_pairs(uint32_t a, uint32_t b, int lo, int hi) {
  const int low = clamped(static_cast<int16_t>(a) + static_cast<int16_t>(b), lo, hi);
  const int high =
      clamped((static_cast<int32_t>(a) >> 16) + (static_cast<int32_t>(b) >> 16), lo, hi);
  return (static_cast<uint32_t>(low) & 0xFFFF) | static_cast<uint32_t>(high) << 16;
}

// Eight channels of a pixel, from `column` of the block on.
__device__ __forceinline__ void store_part(const DenseConv& conv, const ConvSegment& segment,
                                           int pixel, int o, const int16_t* from) {
  uint4 v = *reinterpret_cast<const uint4*>(from);
  if (conv.shuffle > 1) {
    const int r = conv.shuffle, channels = conv.out_channels / (r * r);
    const int place = o / channels, dy = place / r, dx = place - dy * r;
    const int y = pixel / segment.width, x = pixel - y * segment.width;
    const int64_t to = int64_t{y * r + dy} * (segment.width * r) + x * r + dx;
    *reinterpret_cast<uint4*>(segment.out + to * segment.out_pitch + o - place * channels) = v;
    return;
  }
  const int64_t to = int64_t{pixel} * segment.out_pitch + o - segment.begin;
  if (segment.residual) {
    const uint4 r = *reinterpret_cast<const uint4*>(segment.residual + to);
    v.x = add_pairs(v.x, r.x, conv.add_lo, conv.add_hi);
    v.y = add_pairs(v.y, r.y, conv.add_lo, conv.add_hi);
    v.z = add_pairs(v.z, r.z, conv.add_lo, conv.add_hi);
    v.w = add_pairs(v.w, r.w, conv.add_lo, conv.add_hi);
  }
  *reinterpret_cast<uint4*>(segment.out + to) = v;
}

template <int kPixels>
__device__ __forceinline__ void store_block(const DenseConv& conv, const ConvSegment& segment,
                                            int first_tile, const int16_t* staged) {
  const int end = segment.begin + segment.count;
  for (int n = threadIdx.x; n < kPixels * kBlockTiles; n += kThreads<kPixels>) {
    const int row = n / kBlockTiles, column = n % kBlockTiles * 8;
    const int pixel = static_cast<int>(blockIdx.x) * kPixels + row;
    const int o = first_tile * 8 + column;
    if (pixel >= segment.positions || o >= end) continue;
    const int16_t* from = staged + row * kStagedRow + column;
    if (segment.whole_rows) {
      store_part(conv, segment, pixel, o, from);
      continue;
    }
    int16_t* to = segment.out + int64_t{pixel} * segment.out_pitch - segment.begin;
    for (int i = 0; i < 8; ++i)
      if (o + i >= segment.begin && o + i < end) to[o + i] = from[i];
  }
}

template <int kPixels, DigitKind kDigits>
__global__ void __launch_bounds__(kThreads<kPixels>) dense_conv_kernel(const DenseConv conv) {
  SAMEBITS_SHARED_MEMORY(shared);
  const ConvSegment& segment = conv.segment[blockIdx.z];
  const int first_tile = segment.begin / 8 + static_cast<int>(blockIdx.y) * kBlockTiles;
  if (static_cast<int>(blockIdx.x) * kPixels >= segment.positions ||
      first_tile * 8 >= segment.begin + segment.count)
    return;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int warp_pixel = warp / 2 * 32, warp_tile = warp % 2 * 4;

  const StageLoader<kPixels, kDigits> loader(conv, segment, first_tile);
  const int steps = loader.steps();
  int32_t sum[2][4][Digits<kDigits>::kSums][4] = {};
  for (int step = 0; step < kStages - 1; ++step) {
    if (step < steps) loader.load(step, shared + step * kStageBytes<kPixels, kDigits>);
    commit_copies();
  }
  for (int step = 0; step < steps; ++step) {
    wait_copies<kStages - 2>();
    __syncthreads();  // this stage is there, and the one before has been used by all
    const int next = step + kStages - 1;
    if (next < steps) loader.load(next, shared + next % kStages * kStageBytes<kPixels, kDigits>);
    commit_copies();
    multiply_stage<kPixels, kDigits>(shared + step % kStages * kStageBytes<kPixels, kDigits>,
                                     warp_pixel, warp_tile, sum);
  }
  wait_copies<0>();
  __syncthreads();
  int16_t* staged = reinterpret_cast<int16_t*>(shared);
  finish_sums<kDigits>(conv, segment, first_tile, warp_pixel, warp_tile, sum, staged);
  if (conv.sums) return;
  __syncthreads();
  store_block<kPixels>(conv, segment, first_tile, staged);
}

constexpr int kLargeBlock = 128, kSmallBlock = 64;
// With fewer positions a large block would leave too many multiprocessors idle.
constexpr int kPositionsForLargeBlocks = 16384;

template <int kPixels, DigitKind kDigits>
cudaError_t prepare_one() {
  return cudaFuncSetAttribute(dense_conv_kernel<kPixels, kDigits>,
                              cudaFuncAttributeMaxDynamicSharedMemorySize,
                              kStages * kStageBytes<kPixels, kDigits>);
}

template <DigitKind kDigits>
cudaError_t prepare_both() {
  SAMEBITS_RETURN_IF_FAILED((prepare_one<kLargeBlock, kDigits>()));
  return prepare_one<kSmallBlock, kDigits>();
}

template <int kPixels, DigitKind kDigits>
cudaError_t run_sized(const DenseConv& conv, int segments, int positions, cudaStream_t stream) {
  int tiles = 0;
  for (int n = 0; n < segments; ++n) {
    const ConvSegment& segment = conv.segment[n];
    const int end = segment.begin + segment.count;
    const int first = segment.begin / 8 * 8;
    const int needed = (end - first + kTileChannels - 1) / kTileChannels;
    if (needed > tiles) tiles = needed;
  }
  const dim3 grid(static_cast<unsigned>((int64_t{positions} + kPixels - 1) / kPixels),
                  static_cast<unsigned>(tiles), static_cast<unsigned>(segments));
  return launch(dense_conv_kernel<kPixels, kDigits>, grid, dim3(kThreads<kPixels>),
                kStages * kStageBytes<kPixels, kDigits>, stream, conv);
}

template <DigitKind kDigits>
cudaError_t run_with(const DenseConv& conv, int segments, cudaStream_t stream) {
  int most = 0;
  for (int n = 0; n < segments; ++n)
    if (conv.segment[n].positions > most) most = conv.segment[n].positions;
  if (most == 0) return cudaSuccess;
  if (most >= kPositionsForLargeBlocks)
    return run_sized<kLargeBlock, kDigits>(conv, segments, most, stream);
  return run_sized<kSmallBlock, kDigits>(conv, segments, most, stream);
}

}  // namespace

cudaError_t prepare_dense_conv() {
  SAMEBITS_RETURN_IF_FAILED(prepare_both<DigitKind::wide>());
  SAMEBITS_RETURN_IF_FAILED(prepare_both<DigitKind::narrow>());
  SAMEBITS_RETURN_IF_FAILED(prepare_both<DigitKind::weight8>());
  SAMEBITS_RETURN_IF_FAILED(prepare_both<DigitKind::input8>());
  return prepare_both<DigitKind::both8>();
}

cudaError_t run_dense_conv(const DenseConv& conv, int segments, DigitKind digits,
                           cudaStream_t stream) {
  switch (digits) {
    case DigitKind::wide:
      return run_with<DigitKind::wide>(conv, segments, stream);
    case DigitKind::narrow:
      return run_with<DigitKind::narrow>(conv, segments, stream);
    case DigitKind::weight8:
      return run_with<DigitKind::weight8>(conv, segments, stream);
    case DigitKind::input8:
      return run_with<DigitKind::input8>(conv, segments, stream);
    case DigitKind::both8:
      return run_with<DigitKind::both8>(conv, segments, stream);
  }
  return cudaErrorInvalidValue;
}

}  // namespace samebits
