// Runs a Winograd convolution in blocks of tiles. Tiles are counted from left to right and from the
// top, and a block may begin and end anywhere in a row of tiles. What a block holds, the
// transformed inputs above all, is meant to stay in the second-level cache while all output
// channels are made.
#include "nn/winograd.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <new>

#include "base/threads.h"
#include "nn/aligned_vector.h"
#include "nn/conv_blocks.h"
#include "nn/target_kernels.h"

namespace samebits {
namespace {

// Bytes of transformed inputs of a block, within the 512 KiB of second-level cache that a core has
// at least; and the fewest tiles, because each block reads all weights, often from the third level.
constexpr int64_t kBlockBytes = int64_t{384} << 10;
constexpr int64_t kFewestBlockTiles = 48;

constexpr int64_t round_up(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

// The pitch of arrays of which many are written side by side: an odd number of cache lines, so that
// they do not fall into the same cache sets.
constexpr int64_t odd_lines(int64_t bytes) {
  const int64_t lines = round_up(bytes, kCacheLine) / int64_t{kCacheLine};
  return (lines | 1) * int64_t{kCacheLine};
}

// Memory of the calling thread that stays from call to call: fresh pages for every layer would cost
// more than its transforms.
class Scratch {
 public:
  char* bytes(int64_t size) {
    if (size > size_) {
      data_.reset();
      data_.reset(static_cast<char*>(
          ::operator new (static_cast<size_t>(size), std::align_val_t{kCacheLine})));
      size_ = size;
    }
    return data_.get();
  }

 private:
  struct Delete {
    void operator()(char* p) const { ::operator delete (p, std::align_val_t{kCacheLine}); }
  };
  std::unique_ptr<char, Delete> data_;
  int64_t size_ = 0;
};

class WinogradRun {
 public:
  WinogradRun(const ConvLayer& layer, const WinogradKernels& kernels, const ConvKernels* finish,
              const RowWindow& x, int begin, int end, const BlockOutput& out)
      : layer_(layer),
        weights_(layer.winograd),
        kernels_(kernels),
        finish_(finish),
        out_(out),
        x_(x),
        begin_(begin),
        end_(end),
        tile_(weights_.tile),
        positions_(tile_.positions()),
        chunks_((layer.in_channels + kWinogradChunk - 1) / kWinogradChunk),
        groups_(group_count(layer.out_channels)),
        tile_columns_((x.width + tile_.columns - 1) / tile_.columns) {
    const int64_t tile_rows = (int64_t{end} - begin + tile_.rows - 1) / tile_.rows;
    tiles_ = tile_rows * tile_columns_;
    choose_block();
  }

  int64_t blocks() const { return (tiles_ + block_tiles_ - 1) / block_tiles_; }

  // Multiplications, as many as a direct convolution has.
  int64_t work() const {
    return tiles_ * tile_.outputs() * 9 * layer_.in_channels * layer_.out_channels;
  }

  void run_blocks(int64_t first, int64_t last) const {
    thread_local Scratch scratch;
    char* memory = scratch.bytes(inputs_bytes_ + products_bytes_ + acc_bytes_);
    auto* inputs = reinterpret_cast<int16_t*>(memory);
    auto* products = reinterpret_cast<int32_t*>(memory + inputs_bytes_);
    auto* acc = reinterpret_cast<int32_t*>(memory + inputs_bytes_ + products_bytes_);
    for (int64_t n = first; n < last; ++n) {
      const int64_t tile = n * block_tiles_;
      const int tiles = static_cast<int>(std::min<int64_t>(block_tiles_, tiles_ - tile));
      transform_inputs(tile, tiles, inputs);
      for (int g = 0; g < groups_; g += kernels_.groups)
        make_groups(g, std::min(kernels_.groups, groups_ - g), tile, tiles, inputs, products, acc);
    }
  }

 private:
  void choose_block() {
    const int64_t tile_bytes =
        int64_t{positions_} * chunks_ * kWinogradChunk * int64_t{sizeof(int16_t)};
    const int64_t fair = round_up((tiles_ + thread_count() - 1) / thread_count(), kWinogradStep);
    const int64_t most = kBlockBytes / tile_bytes / kWinogradStep * kWinogradStep;
    block_tiles_ = static_cast<int>(std::min(fair, std::max(most, kFewestBlockTiles)));
    const int64_t channel_bytes = block_tiles_ * kWinogradChunk * int64_t{sizeof(int16_t)};
    inputs_pitch_ = odd_lines(chunks_ * channel_bytes);
    products_pitch_ = odd_lines(block_tiles_ * kWinogradGroup * int64_t{sizeof(int32_t)});
    inputs_bytes_ = positions_ * inputs_pitch_;
    products_bytes_ = kernels_.groups * positions_ * products_pitch_;
    acc_bytes_ =
        int64_t{block_tiles_} * tile_.outputs() * kWinogradGroup * int64_t{sizeof(int32_t)};
    inputs_pitch_ /= int64_t{sizeof(int16_t)};
    products_pitch_ /= int64_t{sizeof(int32_t)};
  }

  // One input pointer for each pixel of the tile's patch. Pixels outside the picture are zeros; so
  // are rows that the window lacks, which only outputs beyond the last wanted row can see.
  void gather(int64_t tile, const int16_t** pixels) const {
    const int64_t y = begin_ + tile / tile_columns_ * tile_.rows - 1;
    const int64_t x = tile % tile_columns_ * tile_.columns - 1;
    for (int i = 0; i < tile_.rows + 2; ++i) {
      const int64_t row = y + i - x_.first_row;
      const bool inside = y + i >= 0 && y + i < x_.height && row < x_.rows;
      for (int j = 0; j < tile_.columns + 2; ++j)
        *pixels++ = inside && x + j >= 0 && x + j < x_.width
                        ? x_.data + (row * x_.width + x + j) * layer_.in_channels
                        : zero_pixel();
    }
  }

  // The last step is filled up with tiles of zeros.
  void transform_inputs(int64_t first, int tiles, int16_t* inputs) const {
    const int16_t* pixels[kMaxWinogradPositions];
    const int64_t step = int64_t{chunks_} * kWinogradStep * kWinogradChunk;
    for (int t = 0; t < round_up(tiles, kWinogradStep); ++t) {
      if (t < tiles)
        gather(first + t, pixels);
      else
        std::fill_n(pixels, positions_, zero_pixel());
      int16_t* out = inputs + t / kWinogradStep * step + t % kWinogradStep * kWinogradChunk;
      kernels_.transform_inputs({pixels, layer_.in_channels, weights_.center, out, inputs_pitch_});
    }
  }

  // All pixels of the block in `count` groups of output channels from group g on.
  void make_groups(int g, int count, int64_t first, int tiles, const int16_t* inputs,
                   int32_t* products, int32_t* acc) const {
    const int64_t position_weights = int64_t{chunks_} * kWinogradChunk * kWinogradGroup;
    const int64_t group_weights = positions_ * position_weights;
    const int64_t group_products = positions_ * products_pitch_;
    const int steps = static_cast<int>(round_up(tiles, kWinogradStep)) / kWinogradStep;
    const int16_t* weights = weights_.weight.data() + g * group_weights;
    for (int p = 0; p < positions_; ++p)
      kernels_.multiply({inputs + p * inputs_pitch_, weights + p * position_weights, group_weights,
                         steps, chunks_, count, products + p * products_pitch_, group_products});
    for (int n = g; n < g + count; ++n) {
      kernels_.transform_outputs({products + (n - g) * group_products, products_pitch_, tiles,
                                  weights_.bias.data() + n * kWinogradGroup, acc});
      finish(n, first, tiles, acc);
    }
  }

  // Hands over the sums of a group, row by row of each stretch of tiles in a row of tiles.
  void finish(int group, int64_t first, int tiles, const int32_t* acc) const {
    for (int done = 0; done < tiles;) {
      const int64_t y = (first + done) / tile_columns_ * tile_.rows;
      const int column = static_cast<int>((first + done) % tile_columns_);
      const int stretch = std::min(tiles - done, tile_columns_ - column);
      const int x = column * tile_.columns;
      const int pixels = std::min(stretch * tile_.columns, x_.width - x);
      const int rows = static_cast<int>(std::min<int64_t>(tile_.rows, end_ - begin_ - y));
      for (int r = 0; r < rows; ++r)
        finish_group(finish_, layer_, group,
                     acc + (int64_t{r} * tiles + done) * tile_.columns * kWinogradGroup,
                     (y + r) * x_.width + x, pixels, out_);
      done += stretch;
    }
  }

  const ConvLayer& layer_;
  const WinogradWeights& weights_;
  const WinogradKernels& kernels_;
  const ConvKernels* finish_;
  const BlockOutput& out_;
  const RowWindow& x_;
  int begin_, end_;
  WinogradTile tile_;
  int positions_, chunks_, groups_, tile_columns_;
  int64_t tiles_;
  int block_tiles_;
  int64_t inputs_pitch_, products_pitch_;  // in elements, from a position to the next
  int64_t inputs_bytes_, products_bytes_, acc_bytes_;
};

// Below this many multiplications the calling thread does all: waking others takes longer.
constexpr int64_t kParallelWork = int64_t{1} << 21;

bool has_kernels(Target target, WinogradTile tile) {
  return winograd_kernels(target, tile).multiply != winograd_kernels(Target::scalar, tile).multiply;
}

// True if the multiplications saved are worth the transforms: not in pictures so small that most of
// a step's tiles, or of a tile's outputs, are not needed.
bool pays_off(WinogradTile tile, int height, int width) {
  const int64_t tiles =
      int64_t{(height + tile.rows - 1) / tile.rows} * ((width + tile.columns - 1) / tile.columns);
  return round_up(tiles, kWinogradStep) * tile.positions() * 3 <= int64_t{height} * width * 9 * 2;
}

}  // namespace

WinogradKernels winograd_kernels(Target target, WinogradTile tile) {
#ifdef SAMEBITS_HAVE_AVX2
  if (target == Target::avx2) return winograd_kernels_avx2(tile);
#endif
#ifdef SAMEBITS_HAVE_AVX512
  if (target == Target::avx512) return winograd_kernels_avx512(tile);
#endif
  (void)target;
  return winograd_kernels_scalar(tile);
}

void winograd_rows(const ConvLayer& layer, const WinogradKernels& kernels,
                   const ConvKernels* finish, const RowWindow& x, int begin, int end,
                   const BlockOutput& out) {
  const WinogradRun run(layer, kernels, finish, x, begin, end, out);
  const auto work = [&](int64_t first, int64_t last) { run.run_blocks(first, last); };
  if (run.work() < kParallelWork)
    work(0, run.blocks());
  else
    parallel_for(run.blocks(), std::cref(work));
}

bool done_by_winograd(const ConvLayer& layer, const RowWindow& x, int begin, int end,
                      const BlockOutput& out) {
  const WinogradTile tile = layer.winograd.tile;
  if (tile == WinogradTile{}) return false;
  const Target cpu = target() == Target::cuda ? fastest_cpu_target() : target();
  const ConvKernels* finish = target_kernels();
  // Scalar is the definition, and only shows the sums of another algorithm if asked to.
  const bool wanted = layer.algorithm != ConvAlgorithm::automatic
                          ? finish != nullptr || out.sums != nullptr
                          : has_kernels(cpu, tile) && pays_off(tile, end - begin, x.width);
  if (wanted) winograd_rows(layer, winograd_kernels(cpu, tile), finish, x, begin, end, out);
  return wanted;
}

}  // namespace samebits
