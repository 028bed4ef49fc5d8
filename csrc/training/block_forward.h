// The forward pass of a depthwise block.
#pragma once

#include <cstddef>
#include <cstdint>

#include "training/block_memory.h"
#include "training/depthwise.h"

namespace samebits::training {

template <class Math>
struct ForwardScratch {
  using Element = typename Math::Element;

  ForwardScratch(std::byte* memory, const BlockShape& shape, const ChunkPlan& plan)
      : cutter(memory), weights(cutter, shape) {
    const int64_t pixels = padded_rows<Math>(plan.most_pixels);
    narrow = cutter.template take<Element>(pixels * shape.channels);
    middle = cutter.template take<Element>(pixels * shape.channels);
    wide = cutter.template take<Element>(pixels * shape.inner);
    sums = cutter.template take<float>(pixels * Math::kLanes);
    window = cutter.template take<float>(window_size<Math>(plan.most_pixels / shape.width, shape));
  }

  Cutter<Math> cutter;
  PackedMatrices<Math> weights;
  Element *narrow, *middle, *wide;  // rows of a chunk: x or d; m; e
  float *sums, *window;
};

template <class Math>
struct ForwardPass {
  using Element = typename Math::Element;
  using Vector = typename Math::Vector;
  static constexpr int64_t kSize = sizeof(Element);

  const BlockForward& job;
  const BlockShape& shape;
  ForwardScratch<Math>& scratch;

  auto add_bias_then_leaky(const float* bias) const {
    return each_row<Math>([bias, slope = job.slope](int, int column, Vector sum) {
      return leaky<Math>(Math::add(sum, Math::load(bias + column)), slope);
    });
  }

  // out = sum + bias + residual; all three may be the same rows as far as memory goes.
  auto add_to_stream(const float* bias, const float* residual, float* out) const {
    return each_row<Math>([=, c = shape.channels](int row, int column, Vector sum) {
      const int64_t place = int64_t{row} * c + column;
      sum = Math::add(Math::add(sum, Math::load(bias + column)), Math::load(residual + place));
      Math::store(out + place, sum);
      return sum;
    });
  }

  void make_a(const Chunk& chunk, const SavedChunk<Math>& saved, int pixels,
              const Ahead& next_x) const {
    const int c = shape.channels;
    round_rows<Math>(job.x + chunk.pixel * c, pixels, as_rows<Math>(scratch.narrow, c));
    changed_product<Math>(scratch.narrow, pixels, c, scratch.weights.w1,
                          as_rows<Math>(saved.a + chunk.pixel * c, c), nullptr, next_x,
                          add_bias_then_leaky(job.parameters.b1));
  }

  void make_d(const Chunk& chunk, const SavedChunk<Math>& saved, int pixels) const {
    const int taps = shape.kernel * shape.kernel;
    const int64_t map = int64_t{shape.height} * shape.width;
    const Element* a = saved.a + chunk.pixel / map * map * shape.channels;
    const auto d = as_both<Math>(scratch.narrow, saved.d, shape.channels, even<Math>(pixels));
    for (int channel = 0; channel < shape.channels; channel += Math::kLanes) {
      for (int image = 0; image < chunk.images; ++image) {
        fill_window<Math>(a + image * map * shape.channels + channel, chunk.row, chunk.rows, shape,
                          scratch.window);
        convolve_window<Math>(scratch.window, scratch.weights.taps + int64_t{channel} * taps,
                              chunk.rows, shape, scratch.sums + image * map * Math::kLanes);
      }
      const Vector bias = Math::load(job.parameters.bd + channel);
      for_column<Math>(pixels, channel, d.columns, d.padded, [&](const Spot& spot) {
        const float* at = scratch.sums + spot.row * Math::kLanes;
        d.put(spot, Math::add(Math::load(at), bias),
              Math::add(Math::load(at + Math::kLanes), bias));
      });
    }
  }

  void make_out(const Chunk& chunk, const SavedChunk<Math>& saved, int pixels,
                const Ahead& next) const {
    const int c = shape.channels, padded = even<Math>(pixels);
    const float* x = job.x + chunk.pixel * c;
    float* out = job.out + chunk.pixel * c;
    // Memory that is written is fetched as well, else every store waits. After e come the next
    // chunk's d and m.
    const Range e{saved.e, padded * shape.inner * kSize};
    const Range after_e{saved.e + int64_t{padded} * shape.inner, padded * 2 * c * kSize};
    changed_product<Math>(scratch.narrow, pixels, c, scratch.weights.w2,
                          as_both<Math>(scratch.middle, saved.m, c, padded), nullptr, {{e}},
                          add_to_stream(job.parameters.b2, x, out));
    changed_product<Math>(scratch.middle, pixels, c, scratch.weights.w3,
                          as_both<Math>(scratch.wide, saved.e, shape.inner, padded), nullptr,
                          {{after_e}}, add_bias_then_leaky(job.parameters.b3));
    changed_product<Math>(scratch.wide, pixels, shape.inner, scratch.weights.w4, nowhere<Math>(c),
                          nullptr, next, add_to_stream(job.parameters.b4, out, out));
  }
};

template <class Math>
void block_forward(const BlockForward& job, const ChunkPlan& plan, std::byte* memory) {
  const BlockShape& shape = job.shape;
  ForwardScratch<Math> scratch(memory, shape, plan);
  scratch.weights.pack_forward(job.parameters, shape);
  const ForwardPass<Math> pass{job, shape, scratch};
  // All of a unit's a first: the depthwise convolution looks at the rows of other chunks.
  for (int first = 0, c = 0; first < plan.count; first = c) {
    for (c = first; c == first || !plan.chunks[c - 1].ends_unit; ++c) {
      const int pixels = chunk_pixels<Math>(plan.chunks[c], shape);
      const SavedChunk<Math> saved(job.saved, shape, plan.chunks[c], pixels);
      pass.make_a(plan.chunks[c], saved, pixels, {{rows_after<Math>(job.x, plan, c, shape)}});
    }
    for (c = first; c == first || !plan.chunks[c - 1].ends_unit; ++c) {
      const int pixels = chunk_pixels<Math>(plan.chunks[c], shape);
      const SavedChunk<Math> saved(job.saved, shape, plan.chunks[c], pixels);
      pass.make_d(plan.chunks[c], saved, pixels);
      pass.make_out(
          plan.chunks[c], saved, pixels,
          {{rows_after<Math>(job.x, plan, c, shape), rows_after<Math>(job.out, plan, c, shape)}});
    }
  }
}

}  // namespace samebits::training
