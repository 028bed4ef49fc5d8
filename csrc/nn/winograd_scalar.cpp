// The Winograd steps by their matrices. Sums are made modulo 2^32.

#include "nn/winograd_kernels.h"
#include "nn/winograd_matrices.h"

namespace samebits {
namespace {

// left * values * left^T for a matrix `left` of rows x size.
template <class Row>
void transform(const Row* left, int rows, int size, const uint32_t* values, uint32_t* out) {
  uint32_t half[kMaxWinogradSize][kMaxWinogradSize] = {};
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < size; ++j)
      for (int k = 0; k < size; ++k)
        half[i][j] += static_cast<uint32_t>(left[i][k]) * values[k * size + j];
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < rows; ++j) {
      out[i * rows + j] = 0;
      for (int k = 0; k < size; ++k)
        out[i * rows + j] += half[i][k] * static_cast<uint32_t>(left[j][k]);
    }
}

template <int kTile>
void transform_inputs(const WinogradInputs& job) {
  constexpr WinogradMatrices m = winograd_matrices(kTile);
  uint32_t values[m.positions()], transformed[m.positions()];
  for (int c = 0; c < job.channels; ++c) {
    for (int p = 0; p < m.positions(); ++p)
      values[p] = static_cast<uint32_t>(job.pixels[p][c] - job.center);
    transform(m.input, m.size, m.size, values, transformed);
    const int64_t place =
        int64_t{c / kWinogradChunk} * kWinogradStep * kWinogradChunk + c % kWinogradChunk;
    for (int p = 0; p < m.positions(); ++p)
      job.out[p * job.out_pitch + place] = static_cast<int16_t>(transformed[p]);
  }
  // Channels that only fill the last chunk have weight 0, but must not be undefined.
  for (int c = job.channels; c % kWinogradChunk != 0; ++c)
    for (int p = 0; p < m.positions(); ++p)
      job.out[p * job.out_pitch + int64_t{c / kWinogradChunk} * kWinogradStep * kWinogradChunk +
              c % kWinogradChunk] = 0;
}

uint32_t dot_chunks(const int16_t* in, const int16_t* w, int chunks) {
  uint32_t sum = 0;
  for (int chunk = 0; chunk < chunks; ++chunk, in += kWinogradStep * kWinogradChunk)
    for (int c = 0; c < kWinogradChunk; c += 2, w += 2 * kWinogradGroup) {
      sum += static_cast<uint32_t>(int32_t{in[c]} * w[0]);
      sum += static_cast<uint32_t>(int32_t{in[c + 1]} * w[1]);
    }
  return sum;
}

void multiply(const WinogradProducts& job) {
  const int64_t step_inputs = int64_t{job.chunks} * kWinogradStep * kWinogradChunk;
  for (int g = 0; g < job.groups; ++g)
    for (int t = 0; t < job.steps * kWinogradStep; ++t) {
      const int16_t* in =
          job.inputs + t / kWinogradStep * step_inputs + t % kWinogradStep * kWinogradChunk;
      for (int o = 0; o < kWinogradGroup; ++o)
        job.out[g * job.out_pitch + int64_t{t} * kWinogradGroup + o] = static_cast<int32_t>(
            dot_chunks(in, job.weights + g * job.weights_pitch + 2 * o, job.chunks));
    }
}

template <int kTile>
void transform_outputs(const WinogradOutputs& job) {
  constexpr WinogradMatrices m = winograd_matrices(kTile);
  uint32_t values[m.positions()], sums[kTile * kTile];
  const int64_t row = int64_t{job.tiles} * kTile * kWinogradGroup;
  for (int t = 0; t < job.tiles; ++t)
    for (int o = 0; o < kWinogradGroup; ++o) {
      for (int p = 0; p < m.positions(); ++p)
        values[p] = static_cast<uint32_t>(
            job.products[p * job.products_pitch + int64_t{t} * kWinogradGroup + o]);
      transform(m.output, kTile, m.size, values, sums);
      for (int i = 0; i < kTile; ++i)
        for (int j = 0; j < kTile; ++j) {
          const auto scaled = static_cast<int32_t>(sums[i * kTile + j] * m.inverse);
          const auto sum = static_cast<uint32_t>(scaled >> (m.shift[i] + m.shift[j]));
          job.acc[i * row + (int64_t{t} * kTile + j) * kWinogradGroup + o] =
              static_cast<int32_t>(sum + static_cast<uint32_t>(job.bias[o]));
        }
    }
}

}  // namespace

WinogradKernels winograd_kernels_scalar(int tile) {
  if (tile == 2) return {transform_inputs<2>, multiply, transform_outputs<2>, 1};
  return {transform_inputs<4>, multiply, transform_outputs<4>, 1};
}

}  // namespace samebits
