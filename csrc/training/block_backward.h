// The backward pass of a depthwise block.
#pragma once

#include <cstddef>
#include <cstdint>

#include "training/block_memory.h"
#include "training/depthwise.h"

namespace samebits::training {

template <class Math>
struct BackwardScratch {
  using Element = typename Math::Element;

  BackwardScratch(std::byte* memory, const BlockShape& shape, const ChunkPlan& plan)
      : cutter(memory), weights(cutter, shape) {
    const int64_t pixels = padded_rows<Math>(plan.most_pixels);
    const int64_t c = shape.channels;
    grad_d = cutter.template take<Element>(plan.most_in_unit * c);
    narrow = cutter.template take<Element>(pixels * c);
    middle = cutter.template take<Element>(pixels * c);
    wide = cutter.template take<Element>(pixels * shape.inner);
    narrow_panels = cutter.template take<Element>(pixels * c);
    middle_panels = cutter.template take<Element>(pixels * c);
    wide_panels = cutter.template take<Element>(pixels * shape.inner);
    sums = cutter.template take<float>(pixels * Math::kLanes);
    centers = cutter.template take<float>(pixels * Math::kLanes);
    const int64_t window = window_size<Math>(plan.most_pixels / shape.width, shape);
    window_a = cutter.template take<float>(window);
    window_d = cutter.template take<float>(window);
    taps = cutter.template take<float>(c * shape.kernel * shape.kernel);
  }

  Cutter<Math> cutter;
  PackedMatrices<Math> weights;
  Element* grad_d;  // rows of a unit
  // Of a chunk: gradients of out, then of d or a; of m; of e. The panels of x take those of m.
  Element *narrow, *middle, *wide, *narrow_panels, *middle_panels, *wide_panels;
  float *sums, *centers, *window_a, *window_d;
  float* taps;  // gradients, in the order of PackedMatrices::taps
};

template <class Math>
struct BackwardPass {
  using Element = typename Math::Element;
  using Vector = typename Math::Vector;
  static constexpr int64_t kSize = sizeof(Element);

  const BlockBackward& job;
  const BlockShape& shape;
  BackwardScratch<Math>& scratch;

  void second_branch(const Chunk& chunk, const SavedChunk<Math>& saved, int pixels) const {
    const int c = shape.channels, inner = shape.inner, padded = even<Math>(pixels);
    const float* grad_out = job.grad_out + chunk.pixel * c;
    float* grad_m = job.grad_x + chunk.pixel * c;  // until the first branch is added
    round_rows<Math>(grad_out, pixels,
                     as_both<Math>(scratch.narrow, scratch.narrow_panels, c, padded));
    add_columns<Math>(grad_out, pixels, c, job.gradients.b4);

    changed_product<Math>(
        scratch.narrow, pixels, c, scratch.weights.w4,
        as_both<Math>(scratch.wide, scratch.wide_panels, inner, padded), job.gradients.b3,
        {{{saved.m, padded * c * kSize}, {grad_m, pixels * c * int64_t{sizeof(float)}}}},
        [&](const Spot& spot, Vector& first, Vector& second) {
          const auto e =
              Math::load_panel(saved.e + spot.place, panel_width_at<Math>(inner, spot.column));
          first = leaky_gradient<Math>(first, e.first, job.slope);
          second = leaky_gradient<Math>(second, e.second, job.slope);
        });
    changed_product<Math>(scratch.wide, pixels, inner, scratch.weights.w3,
                          as_both<Math>(scratch.middle, scratch.middle_panels, c, padded),
                          job.gradients.b2, {{{saved.d, padded * c * kSize}}},
                          each_row<Math>([=](int row, int column, Vector sum) {
                            const int64_t place = int64_t{row} * c + column;
                            sum = Math::add(sum, Math::load(grad_out + place));
                            Math::store(grad_m + place, sum);
                            return sum;
                          }));
    add_outer_products<Math>(scratch.narrow_panels, c, saved.e, inner, padded, job.gradients.w4);
    add_outer_products<Math>(scratch.wide_panels, inner, saved.m, c, padded, job.gradients.w3);
  }

  // grad_d [pixels][C], of the chunk.
  void make_grad_d(const SavedChunk<Math>& saved, int pixels, Element* grad_d,
                   const Ahead& next_grad_out) const {
    const int c = shape.channels;
    changed_product<Math>(scratch.middle, pixels, c, scratch.weights.w2, as_rows<Math>(grad_d, c),
                          job.gradients.bd, next_grad_out, [](const Spot&, Vector&, Vector&) {});
    add_outer_products<Math>(scratch.middle_panels, c, saved.d, c, even<Math>(pixels),
                             job.gradients.w2);
  }

  // The gradient of the first leaky's input, to `narrow`; grad_d and a start at the chunk's image.
  void depthwise(const Chunk& chunk, const Element* grad_d, const Element* a, int pixels) const {
    const int taps = shape.kernel * shape.kernel;
    const int64_t map = int64_t{shape.height} * shape.width;
    const auto to =
        as_both<Math>(scratch.narrow, scratch.narrow_panels, shape.channels, even<Math>(pixels));
    for (int channel = 0; channel < shape.channels; channel += Math::kLanes) {
      const int64_t first_tap = int64_t{channel} * taps;
      for (int image = 0; image < chunk.images; ++image) {
        const int64_t first = image * map;
        const int64_t at = first * shape.channels + channel;
        fill_window<Math>(grad_d + at, chunk.row, chunk.rows, shape, scratch.window_d);
        fill_window<Math>(a + at, chunk.row, chunk.rows, shape, scratch.window_a);
        convolve_window<Math>(scratch.window_d, scratch.weights.taps + first_tap, chunk.rows, shape,
                              scratch.sums + first * Math::kLanes);
        copy_center<Math>(scratch.window_a, chunk.rows, shape,
                          scratch.centers + first * Math::kLanes);
        add_tap_gradients<Math>(scratch.window_a, scratch.window_d, chunk.rows, shape,
                                scratch.taps + first_tap);
      }
      through_first_leaky(channel, pixels, to);
    }
  }

  template <class To>
  void through_first_leaky(int channel, int pixels, const To& to) const {
    Vector total = Math::load(job.gradients.b1 + channel);
    const auto gradient = [&](int r) {
      return leaky_gradient<Math>(Math::load(scratch.sums + r * Math::kLanes),
                                  Math::load(scratch.centers + r * Math::kLanes), job.slope);
    };
    for_column<Math>(pixels, channel, to.columns, to.padded, [&](const Spot& spot) {
      const Vector first = gradient(spot.row);
      const Vector second = spot.both ? gradient(spot.row + 1) : Math::zero();
      to.put(spot, first, second);
      total = Math::add(total, Math::add(first, second));
    });
    Math::store(job.gradients.b1 + channel, total);
  }

  void first_product(const Chunk& chunk, int pixels, const Ahead& next_x) const {
    const int c = shape.channels, padded = even<Math>(pixels);
    float* grad_x = job.grad_x + chunk.pixel * c;
    round_rows<Math>(job.x + chunk.pixel * c, pixels,
                     as_panels<Math>(scratch.middle_panels, c, padded));
    changed_product<Math>(scratch.narrow, pixels, c, scratch.weights.w1, nowhere<Math>(c), nullptr,
                          next_x, each_row<Math>([=](int row, int column, Vector sum) {
                            float* at = grad_x + int64_t{row} * c + column;
                            sum = Math::add(sum, Math::load(at));
                            Math::store(at, sum);
                            return sum;
                          }));
    add_outer_products<Math>(scratch.narrow_panels, c, scratch.middle_panels, c, padded,
                             job.gradients.w1);
  }

  void clear() const {
    const int64_t c = shape.channels, e = shape.inner;
    const BlockParameters<float>& g = job.gradients;
    float* const matrices[] = {g.w1, g.w2, g.w3, g.w4};
    for (int i = 0; i < 4; ++i) fill_zero<Math>(matrices[i], c * (i < 2 ? c : e));
    float* const biases[] = {g.b1, g.bd, g.b2, g.b4, g.b3};
    for (int i = 0; i < 5; ++i) fill_zero<Math>(biases[i], i < 4 ? c : e);
    fill_zero<Math>(scratch.taps, c * shape.kernel * shape.kernel);
  }

  void store_taps() const {
    const int count = shape.kernel * shape.kernel;
    for (int channel = 0; channel < shape.channels; ++channel)
      for (int tap = 0; tap < count; ++tap)
        job.gradients.wd[channel * count + tap] =
            scratch.taps[tap_place<Math>(channel, tap, count)];
  }
};

template <class Math>
void block_backward(const BlockBackward& job, const ChunkPlan& plan, std::byte* memory) {
  const BlockShape& shape = job.shape;
  const int c = shape.channels;
  BackwardScratch<Math> scratch(memory, shape, plan);
  scratch.weights.pack_backward(job.parameters, shape);
  const BackwardPass<Math> pass{job, shape, scratch};
  pass.clear();
  std::byte* from = const_cast<std::byte*>(job.saved);  // only read
  for (int first = 0, next = 0; first < plan.count; first = next) {
    const int64_t unit = plan.chunks[first].pixel;
    for (next = first; next == first || !plan.chunks[next - 1].ends_unit; ++next) {
      const Chunk& chunk = plan.chunks[next];
      const int pixels = chunk_pixels<Math>(chunk, shape);
      const SavedChunk<Math> saved(from, shape, chunk, pixels);
      pass.second_branch(chunk, saved, pixels);
      pass.make_grad_d(saved, pixels, scratch.grad_d + (chunk.pixel - unit) * c,
                       {{rows_after<Math>(job.grad_out, plan, next, shape)}});
    }
    for (next = first; next == first || !plan.chunks[next - 1].ends_unit; ++next) {
      const Chunk& chunk = plan.chunks[next];
      const int pixels = chunk_pixels<Math>(chunk, shape);
      const SavedChunk<Math> saved(from, shape, chunk, pixels);
      pass.depthwise(chunk, scratch.grad_d, saved.a + unit * c, pixels);
      pass.first_product(chunk, pixels,
                         {{rows_after<Math>(job.x, plan, next, shape),
                           rows_after<Math>(job.grad_x, plan, next, shape)}});
    }
  }
  pass.store_taps();
}

}  // namespace samebits::training
