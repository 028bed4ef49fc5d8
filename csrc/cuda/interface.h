// What the core and the CUDA module (_cuda.so) exchange: plain structs and C functions, so that the
// module can be opened at run time and neither needs the other's libraries. Pointers are to host
// memory unless they are said to be the device's.
#pragma once

#include <cstddef>
#include <cstdint>

namespace samebits {

inline constexpr int32_t kCudaInterface = 2;  // raised with every change of this file

enum class CudaStatus : int32_t {
  done = 0,
  out_of_memory = 1,  // of the device
  device_failed = 2,  // gone, or a kernel failed: what was on the device is lost
  over_limit = 3,     // more device memory than the caller allows
  invalid_argument = 4
};

struct CudaResult {
  CudaStatus status;
  char message[252];  // ends with 0
};

// A convolution with its tables (arithmetic.md 2).
struct CudaLayer {
  int32_t in_channels, out_channels, kernel, stride, depthwise;
  int32_t input_lo, input_hi;  // proven range of the input
  int32_t leaky, lo, hi;
  const int16_t* weight;      // [O][k][k][I], depthwise [C][k][k][1]
  const int32_t* bias;        // [O], or null
  const int32_t* multiplier;  // [O], or null if only sums are asked for
  const int32_t* shift;
};

// One convolution of a picture, operands and result on the host.
struct CudaConv {
  CudaLayer layer;
  // Rows [first_row, first_row + rows) of a picture of height x width.
  const int16_t* x;
  int32_t first_row, rows, height, width;
  // Output rows [begin, end): either sums or activations, the other one is null.
  int32_t begin, end;
  int32_t* sums;
  int16_t* activations;
};

// Operation n writes value n + 1; value 0 is the input.
struct CudaOperation {
  int32_t opcode;     // as in arithmetic.md 2
  int32_t src, src2;  // values, src2 -1 if unused
  int32_t layer;      // conv: index of a layer; lut: of a table
  int32_t factor;     // shuffle, unshuffle
  int32_t lo, hi;     // add, clamp
};

struct CudaNetwork {
  int32_t in_channels;
  int32_t operation_count, layer_count, lut_count;
  const CudaOperation* operations;
  const int32_t* channels;  // of the operation_count + 1 values
  const int32_t* last_use;  // index of the last operation that reads a value, -1 for none
  const CudaLayer* layers;
  const int16_t* const* luts;  // 65536 entries each
};

// Everything a decoder needs of a model. The module copies what it is given.
struct CudaModel {
  int32_t latent_channels, hyper_channels, feature_channels, context_channels;
  int32_t proxy_shift, scale_rows, qualities;
  CudaNetwork hyper_synthesis, entropy, synthesis;
  CudaLayer context;                        // over [proxy | mask | features], no bias
  const int32_t* context_bias;              // [qualities][C1]
  const int32_t *inverse_gain, *log2_gain;  // [qualities][M]
  const int32_t *z_inverse_gain, *z_row;    // [qualities][Nz]
  int32_t cdf_rows;
  const uint16_t* cdf_starts;
  const int32_t *cdf_row_begin, *cdf_min_symbol;
};

// A rectangle of a step (arithmetic.md 4). Those of one step follow each other.
struct CudaRect {
  int32_t step, channel_begin, channel_end, phase_mask;
};

struct CudaPicture {
  int32_t height, width, grey, quality;
  const CudaRect* rects;
  int32_t rect_count;
  // The payload (arithmetic.md 5), taken apart.
  int32_t lanes;
  const uint8_t* escapes;
  const uint8_t* words;
  uint32_t escape_bytes, word_count;
  int64_t max_device_bytes;
  int16_t* latents;  // null, or where y_hat is copied to, [h][w][M]
  void* stream;      // CUDA's handle; used if has_stream
  int32_t has_stream;
};

// What the device says of a decoded picture. Any problem means that the pixels are worth nothing.
enum CudaProblem : uint32_t {
  kBadStart = 1,        // a lane begins with 2^32 - 1
  kWordsMissing = 2,    // more than 2 L words beyond the last
  kBadEscape = 4,       // number cut, too long, superfluous bytes, or no int32
  kSymbolTooLarge = 8,  // |k| > 2^20, of hyper-latents 2^14
  kBadEnd = 16          // end mark, or words or escapes left over
};

struct CudaDecoded {
  CudaResult result;
  uint8_t* pixels;  // the device's, [height][width][3], or [height][width] if grey; release it
  uint32_t problems;
  uint32_t latent_crc;
};

struct CudaDecoder;

extern "C" {
using CudaInterfaceFunction = int32_t (*)();
using CudaDeviceCountFunction = int32_t (*)();
using CudaConvFunction = void (*)(const CudaConv*, CudaResult*);
// Null if it failed.
using CudaOpenFunction = CudaDecoder* (*)(const CudaModel*, int32_t device, CudaResult*);
using CudaCloseFunction = void (*)(CudaDecoder*);
// Decodes `count` pictures, several at a time, and returns when all have ended. From any thread.
using CudaDecodeFunction = void (*)(CudaDecoder*, const CudaPicture*, CudaDecoded*, int32_t count);
using CudaReleaseFunction = void (*)(int32_t device, void* memory);
using CudaDownloadFunction = void (*)(int32_t device, void* to, const void* from, size_t bytes,
                                      CudaResult*);
using CudaCurrentDeviceFunction = int32_t (*)();
}

}  // namespace samebits
