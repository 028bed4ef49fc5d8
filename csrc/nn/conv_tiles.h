// Dense and depthwise kernels for any vector instruction set, written once. Each target's file
// defines a type V in an unnamed namespace (so that no instantiation leaves the file) and includes
// this one:
//   V::Sums    32-bit sums of a group: 16 output channels of one pixel
//   V::Pairs   two int16 for each channel of a group: weights, or the inputs of two taps
//   V::Pair    the two inputs of a pixel that all channels of a dense layer share
//   load_sums, store_sums, load_pairs, broadcast_pair, broadcast_single
//   interleave(a, b)               16 channels of two taps, in natural order, to Pairs
//   add_products(sums, w, x)       sums += w[0] * x[0] + w[1] * x[1], modulo 2^32
// Sums and Pairs are in group order (conv_kernels.h).
//
// Only intrinsics and plain pointers here: see the note in conv_kernels.h.
#pragma once

#include <cstring>

#include "nn/conv_kernels.h"

#define SAMEBITS_INLINE inline __attribute__((always_inline))

namespace samebits {

// P pixels times G groups: as many sums as there are registers for.
template <class V, int P, int G>
void dense_tile(const ConvBlock& block, int first_pixel, const int16_t* w, int64_t group_weights,
                const int32_t* bias, int32_t* acc) {
  typename V::Sums sum[P][G];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g) sum[p][g] = V::load_sums(bias + g * kOutputGroup);
  // An input is broadcast where it is used: there is no register for all P of them.
  const auto add_products = [&](const auto& input_of) __attribute__((always_inline)) {
    typename V::Pairs weights[G];
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g) weights[g] = V::load_pairs(w + g * group_weights);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      const typename V::Pair x = input_of(p);
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g) V::add_products(sum[p][g], weights[g], x);
    }
    w += 2 * kOutputGroup;
  };
  const int even_channels = block.in_channels & ~1;
  for (int t = 0; t < block.taps; ++t) {
    const int16_t* in[P];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) in[p] = block.inputs[t * block.pixels + first_pixel + p];
    for (int i = 0; i < even_channels; i += 2)
      add_products([&](int p)
                       __attribute__((always_inline)) { return V::broadcast_pair(in[p] + i); });
    if (even_channels != block.in_channels)
      add_products([&](int p) __attribute__((always_inline)) {
        return V::broadcast_single(in[p] + even_channels);
      });
  }
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g)
      V::store_sums(acc + (static_cast<int64_t>(g) * block.pixels + p) * kOutputGroup, sum[p][g]);
}

template <class V, int G>
void dense_groups(const ConvBlock& block, const int16_t* w, int64_t group_weights,
                  const int32_t* bias, int32_t* acc) {
  int p = 0;
  for (; p + kTilePixels <= block.pixels; p += kTilePixels)
    dense_tile<V, kTilePixels, G>(block, p, w, group_weights, bias, acc + p * kOutputGroup);
  acc += p * kOutputGroup;
  switch (block.pixels - p) {
    case 1:
      return dense_tile<V, 1, G>(block, p, w, group_weights, bias, acc);
    case 2:
      return dense_tile<V, 2, G>(block, p, w, group_weights, bias, acc);
    case 3:
      return dense_tile<V, 3, G>(block, p, w, group_weights, bias, acc);
    case 4:
      return dense_tile<V, 4, G>(block, p, w, group_weights, bias, acc);
    case 5:
      return dense_tile<V, 5, G>(block, p, w, group_weights, bias, acc);
    default:
      return;
  }
}

// ConvKernels::dense. kTile is 1, 2 or 4.
template <class V, int kTile>
void dense_block(const ConvBlock& block, const int16_t* w, const int32_t* bias, int groups,
                 int32_t* acc) {
  const int64_t group_weights =
      static_cast<int64_t>(2 * kOutputGroup) * block.taps * ((block.in_channels + 1) / 2);
  while (groups >= kTile) {
    dense_groups<V, kTile>(block, w, group_weights, bias, acc);
    groups -= kTile;
    w += kTile * group_weights;
    bias += kTile * kOutputGroup;
    acc += kTile * block.pixels * kOutputGroup;
  }
  if constexpr (kTile > 1)
    if (groups > 0) dense_block<V, kTile / 2>(block, w, bias, groups, acc);
}

// 16 channels of a pixel, in natural order. Unless kFull, only `rest` exist and the others are read
// as zeros.
template <class V, bool kFull>
SAMEBITS_INLINE typename V::Channels load_channels(const int16_t* x, int rest) {
  if (kFull) return V::load_channels(x);
  int16_t padded[kOutputGroup] = {};
  std::memcpy(padded, x, sizeof(int16_t) * static_cast<size_t>(rest));
  return V::load_channels(padded);
}

// Pixels anywhere: every tap of every pixel is loaded.
template <class V, bool kFull>
void depthwise_pixels(const ConvBlock& block, int channel, int rest, const int16_t* w,
                      const int32_t* bias, int32_t* acc) {
  const int pairs = block.taps == kMaxTaps ? kDepthwisePairs : 1;
  for (int p = 0; p < block.pixels; ++p, acc += kOutputGroup) {
    typename V::Sums sum = V::load_sums(bias);
    for (int n = 0; n < pairs; ++n) {
      const int first = pairs == 1 ? 0 : kDepthwisePair[n][0];
      const int second = pairs == 1 ? -1 : kDepthwisePair[n][1];
      typename V::Channels a = V::no_channels(), b = a;
      if (first >= 0)
        a = load_channels<V, kFull>(block.inputs[first * block.pixels + p] + channel, rest);
      if (second >= 0)
        b = load_channels<V, kFull>(block.inputs[second * block.pixels + p] + channel, rest);
      V::add_products(sum, V::load_pairs(w + n * 2 * kOutputGroup), V::interleave(a, b));
    }
    V::store_sums(acc, sum);
  }
}

// ConvKernels::depthwise.
template <class V>
void depthwise_block(const ConvBlock& block, int first_channel, int channels, const int16_t* w,
                     const int32_t* bias, int32_t* acc) {
  if (channels == kOutputGroup)
    depthwise_pixels<V, true>(block, first_channel, channels, w, bias, acc);
  else
    depthwise_pixels<V, false>(block, first_channel, channels, w, bias, acc);
}

// Three rows of the 16 channels in one column; nothing is known outside the picture.
template <class V, bool kFull>
struct DepthwiseColumn {
  typename V::Channels row[3];

  SAMEBITS_INLINE DepthwiseColumn(const DepthwiseRows& rows, int column) {
    const bool inside = column >= 0 && column < rows.width;
    for (int r = 0; r < 3; ++r)
      row[r] = inside ? load_channels<V, kFull>(rows.row[r] + column * rows.step[r], rows.channels)
                      : V::no_channels();
  }
};

// Slides along a row: column c is loaded once and added to the outputs c - 1, c and c + 1.
template <class V, bool kFull>
void depthwise_slide(const DepthwiseRows& given, const int16_t* __restrict w,
                     const int32_t* __restrict bias, int32_t* __restrict acc) {
  constexpr int kPair = 2 * kOutputGroup;
  const DepthwiseRows rows = given;  // a copy that no store can change
  const int32_t* end = acc + rows.pixels * kOutputGroup;
  const typename V::Sums start = V::load_sums(bias);
  typename V::Sums left = start, middle = start;
  typename V::Channels last = V::no_channels();  // row 2 of the column before
  // The first two columns add to outputs before x as well, which are not stored.
  for (int c = rows.x - 1; acc != end; ++c) {
    const DepthwiseColumn<V, kFull> column(rows, c);
    const typename V::Pairs upper = V::interleave(column.row[0], column.row[1]);
    const typename V::Pairs lower = V::interleave(last, column.row[2]);
    typename V::Sums right = start;
    V::add_products(right, V::load_pairs(w), upper);
    V::add_products(middle, V::load_pairs(w + kPair), upper);
    V::add_products(middle, V::load_pairs(w + 3 * kPair), lower);
    V::add_products(left, V::load_pairs(w + 2 * kPair), upper);
    V::add_products(left, V::load_pairs(w + 4 * kPair), lower);
    if (c > rows.x) {
      V::store_sums(acc, left);
      acc += kOutputGroup;
    }
    left = middle;
    middle = right;
    last = column.row[2];
  }
}

// ConvKernels::depthwise_rows.
template <class V>
void depthwise_rows(const DepthwiseRows& rows, const int16_t* w, const int32_t* bias,
                    int32_t* acc) {
  if (rows.channels == kOutputGroup)
    depthwise_slide<V, true>(rows, w, bias, acc);
  else
    depthwise_slide<V, false>(rows, w, bias, acc);
}

}  // namespace samebits
