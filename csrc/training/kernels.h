// The seam between the layers and the files compiled for one instruction set each.
//
// Those files include templates (passes.h) whose argument is a type of their own, without external
// linkage: the linker must not take a function compiled for one processor for all of them. For the
// same reason they use no inline function of the standard library.
#pragma once

#include <cstddef>
#include <cstdint>

#include "training/layers.h"

namespace samebits::training {

// Consecutive pixels that pass through a layer together, so that what is between two products stays
// in the second-level cache: whole rows of one image, or several whole images. Large enough that
// adding to the gradients of the weights costs little next to the products.
inline constexpr int kChunkPixels = 144;

struct Chunk {
  int64_t pixel;  // the first
  int images;     // more than one only if they are whole
  int row, rows;  // of each image
  int64_t saved_row;
  bool ends_unit;  // no later chunk has rows of the same image
};

struct ChunkPlan {
  const Chunk* chunks;
  int count;
  int most_pixels;       // of a chunk
  int64_t most_in_unit;  // pixels of chunks up to one that ends a unit
  int64_t saved_rows;    // pixels, rounded up to pairs for each chunk
};

struct Kernels {
  const char* name;
  int64_t (*saved_bytes)(const BlockShape&, const ChunkPlan&);
  int64_t (*block_scratch)(const BlockShape&, const ChunkPlan&);
  void (*block_forward)(const BlockForward&, const ChunkPlan&, std::byte* scratch);
  void (*block_backward)(const BlockBackward&, const ChunkPlan&, std::byte* scratch);
  int64_t (*pointwise_scratch)(int inputs, int outputs);
  void (*pointwise_forward)(const PointwiseForward&, std::byte* scratch);
  void (*pointwise_backward)(const PointwiseBackward&, std::byte* scratch);
};

extern const Kernels kScalarFp32, kScalarBf16;
extern const Kernels kAvx2Fp32, kAvx512Fp32, kAvx512Bf16;  // where they are compiled

}  // namespace samebits::training
