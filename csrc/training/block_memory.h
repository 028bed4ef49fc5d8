// What the two passes of a depthwise block share: the layout of what is saved, and their scratch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "training/kernels.h"
#include "training/rows.h"
#include "training/scratch.h"

namespace samebits::training {

template <class Math>
int chunk_pixels(const Chunk& chunk, const BlockShape& shape) {
  return chunk.images * chunk.rows * shape.width;
}

template <class Math>
int even(int rows) {
  return rows + rows % 2;
}

// The rows of the next chunk in a tensor like x.
template <class Math>
Range rows_after(const float* x, const ChunkPlan& plan, int chunk, const BlockShape& shape) {
  if (chunk + 1 >= plan.count) return {};
  const Chunk& next = plan.chunks[chunk + 1];
  const int64_t row = int64_t{shape.channels} * static_cast<int64_t>(sizeof(float));
  return {x + next.pixel * shape.channels, chunk_pixels<Math>(next, shape) * row};
}

// Saved by the forward pass, rounded as the products take them: a as rows of all pixels, then for
// each chunk d, m and e in panels. The signs of a and e are those of what leaky got.
template <class Math>
struct SavedChunk {
  using Element = typename Math::Element;

  SavedChunk(std::byte* saved, const BlockShape& shape, const Chunk& chunk, int pixels)
      : a(reinterpret_cast<Element*>(saved)) {
    const int64_t all = shape.images * shape.height * shape.width;
    const int64_t c = shape.channels;
    const int64_t rows = even<Math>(pixels);
    d = a + all * c + chunk.saved_row * (2 * c + shape.inner);
    m = d + rows * c;
    e = m + rows * c;
  }

  Element *a, *d, *m, *e;
};

template <class Math>
int64_t saved_bytes(const BlockShape& shape, const ChunkPlan& plan) {
  const int64_t pixels = shape.images * shape.height * shape.width;
  const int64_t c = shape.channels;
  return (pixels * c + plan.saved_rows * (2 * c + shape.inner)) *
         static_cast<int64_t>(sizeof(typename Math::Element));
}

// Place of a channel's tap in [vector of channels][taps][lanes].
template <class Math>
int64_t tap_place(int channel, int tap, int taps) {
  constexpr int kLanes = Math::kLanes;
  return (int64_t{channel / kLanes} * taps + tap) * kLanes + channel % kLanes;
}

// The matrices of a block in panels, for either pass.
template <class Math>
struct PackedMatrices {
  using Element = typename Math::Element;

  PackedMatrices(Cutter<Math>& cutter, const BlockShape& shape) {
    const int64_t c = shape.channels, e = shape.inner;
    w1 = cutter.template take<Element>(c * c);
    w2 = cutter.template take<Element>(c * c);
    w3 = cutter.template take<Element>(c * e);
    w4 = cutter.template take<Element>(c * e);
    turned = cutter.template take<float>(c * (e > c ? e : c));
    taps = cutter.template take<float>(c * shape.kernel * shape.kernel);
  }

  // For products with the transposed matrices: [out][in] summed over in.
  void pack_forward(const BlockParameters<const float>& from, const BlockShape& shape) {
    const int c = shape.channels, e = shape.inner;
    pack_turned_panels<Math>(from.w1, c, c, turned, w1);
    pack_turned_panels<Math>(from.w2, c, c, turned, w2);
    pack_turned_panels<Math>(from.w3, c, e, turned, w3);
    pack_turned_panels<Math>(from.w4, e, c, turned, w4);
    pack_taps(from.wd, shape, false);
  }

  // For gradients of inputs: summed over out.
  void pack_backward(const BlockParameters<const float>& from, const BlockShape& shape) {
    const int c = shape.channels, e = shape.inner;
    pack_panels<Math>(from.w1, c, c, w1);
    pack_panels<Math>(from.w2, c, c, w2);
    pack_panels<Math>(from.w3, e, c, w3);
    pack_panels<Math>(from.w4, c, e, w4);
    pack_taps(from.wd, shape, true);
  }

  // taps [vector of channels][kernel * kernel][lanes]; mirrored for the gradient of the input.
  void pack_taps(const float* wd, const BlockShape& shape, bool mirrored) {
    const int count = shape.kernel * shape.kernel;
    for (int channel = 0; channel < shape.channels; ++channel)
      for (int tap = 0; tap < count; ++tap)
        taps[tap_place<Math>(channel, tap, count)] =
            wd[channel * count + (mirrored ? count - 1 - tap : tap)];
  }

  Element *w1, *w2, *w3, *w4;
  float *turned, *taps;
};

}  // namespace samebits::training
