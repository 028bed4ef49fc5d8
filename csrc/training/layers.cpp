#include "training/layers.h"

#include <algorithm>
#include <memory>
#include <new>
#include <string>

#include "base/cpu.h"
#include "base/error.h"
#include "training/kernels.h"

namespace samebits::training {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  fail(ErrorKind::invalid_argument, message);
}

void check_width(const char* name, int width) {
  if (width < kChannelStep || width > kMaxChannels || width % kChannelStep != 0)
    refuse(std::string(name) + " is " + std::to_string(width) + ", must be a multiple of " +
           std::to_string(kChannelStep) + " up to " + std::to_string(kMaxChannels));
}

bool have_bf16() {
#ifdef SAMEBITS_HAVE_AVX512_BF16
  return have_avx512() && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

const Kernels& kernels(Precision precision) {
  [[maybe_unused]] const VectorSet set = vector_set();
  if (precision == Precision::bf16) {
#ifdef SAMEBITS_HAVE_AVX512_BF16
    if (set == VectorSet::avx512 && have_bf16()) return kAvx512Bf16;
#endif
    return kScalarBf16;
  }
#if defined(SAMEBITS_HAVE_AVX512) && !defined(SAMEBITS_EMULATE_AVX512)
  if (set == VectorSet::avx512) return kAvx512Fp32;
#endif
#ifdef SAMEBITS_HAVE_AVX2
  if (set != VectorSet::none) return kAvx2Fp32;
#endif
  return kScalarFp32;
}

constexpr std::align_val_t kCacheLine{64};

struct FreeLines {
  void operator()(std::byte* memory) const { ::operator delete(memory, kCacheLine); }
};

// Memory that a thread keeps from pass to pass: fresh memory costs a page fault every 4 KB.
std::byte* scratch_of(int64_t bytes) {
  thread_local std::unique_ptr<std::byte, FreeLines> memory;
  thread_local int64_t size = 0;
  if (size < bytes) {
    memory.reset();
    size = 0;
    memory.reset(static_cast<std::byte*>(::operator new(static_cast<size_t>(bytes), kCacheLine)));
    size = bytes;
  }
  return memory.get();
}

// Chunks of one shape, in order of pixels.
struct Chunks {
  explicit Chunks(const BlockShape& shape);
  ChunkPlan plan() const;

  std::vector<Chunk> chunks;
  int most_pixels = 0;
  int64_t most_in_unit = 0, saved_rows = 0;
};

Chunks::Chunks(const BlockShape& shape) {
  const int64_t map = int64_t{shape.height} * shape.width;
  const int together = static_cast<int>(std::max<int64_t>(1, kChunkPixels / map));
  const int most_rows = std::max(1, kChunkPixels / shape.width);
  const int strips = (shape.height + most_rows - 1) / most_rows;
  const int rows = (shape.height + strips - 1) / strips;
  for (int64_t image = 0; image < shape.images; image += together)
    for (int row = 0; row < shape.height; row += rows) {
      Chunk chunk{};
      chunk.pixel = image * map + int64_t{row} * shape.width;
      chunk.images = static_cast<int>(std::min<int64_t>(together, shape.images - image));
      chunk.row = row;
      chunk.rows = std::min(rows, shape.height - row);
      chunk.saved_row = saved_rows;
      chunk.ends_unit = row + rows >= shape.height;
      const int pixels = chunk.images * chunk.rows * shape.width;
      most_pixels = std::max(most_pixels, pixels);
      most_in_unit = std::max(most_in_unit, chunk.images * map);
      saved_rows += pixels + pixels % 2;
      chunks.push_back(chunk);
    }
}

ChunkPlan Chunks::plan() const {
  return {chunks.data(), static_cast<int>(chunks.size()), most_pixels, most_in_unit, saved_rows};
}

}  // namespace

void check(const BlockShape& shape) {
  check_width("the width of the block", shape.channels);
  check_width("the inner width of the block", shape.inner);
  if (shape.kernel != 3 && shape.kernel != 5 && shape.kernel != 7)
    refuse("the depthwise kernel is " + std::to_string(shape.kernel) + ", must be 3, 5 or 7");
  if (shape.images < 1 || shape.height < 1 || shape.width < 1)
    refuse("the input is empty, must have images, rows and columns");
  constexpr int kMaxSide = 1 << 15;
  if (shape.height > kMaxSide || shape.width > kMaxSide || shape.images > 1 << 20)
    refuse("the input is too large, must have at most 2^15 rows and columns and 2^20 images");
}

void check_pointwise(int64_t pixels, int inputs, int outputs) {
  check_width("the width of the input", inputs);
  check_width("the width of the output", outputs);
  if (pixels < 1) refuse("the input is empty, must have a pixel");
}

std::vector<Precision> fast_precisions() {
  if (vector_set() == VectorSet::none) return {};
  std::vector<Precision> precisions{Precision::fp32};
  if (vector_set() == VectorSet::avx512 && have_bf16()) precisions.push_back(Precision::bf16);
  return precisions;
}

std::string kernel_name(Precision precision) {
  return kernels(precision).name;
}

int64_t block_saved_bytes(const BlockShape& shape, Precision precision) {
  check(shape);
  return kernels(precision).saved_bytes(shape, Chunks(shape).plan());
}

void run(const BlockForward& pass, Precision precision) {
  check(pass.shape);
  const Kernels& table = kernels(precision);
  const Chunks chunks(pass.shape);
  const int64_t bytes = table.block_scratch(pass.shape, chunks.plan());
  table.block_forward(pass, chunks.plan(), scratch_of(bytes));
}

void run(const BlockBackward& pass, Precision precision) {
  check(pass.shape);
  const Kernels& table = kernels(precision);
  const Chunks chunks(pass.shape);
  const int64_t bytes = table.block_scratch(pass.shape, chunks.plan());
  table.block_backward(pass, chunks.plan(), scratch_of(bytes));
}

void run(const PointwiseForward& pass, Precision precision) {
  check_pointwise(pass.pixels, pass.inputs, pass.outputs);
  const Kernels& table = kernels(precision);
  table.pointwise_forward(pass, scratch_of(table.pointwise_scratch(pass.inputs, pass.outputs)));
}

void run(const PointwiseBackward& pass, Precision precision) {
  check_pointwise(pass.pixels, pass.inputs, pass.outputs);
  const Kernels& table = kernels(precision);
  table.pointwise_backward(pass, scratch_of(table.pointwise_scratch(pass.inputs, pass.outputs)));
}

}  // namespace samebits::training
