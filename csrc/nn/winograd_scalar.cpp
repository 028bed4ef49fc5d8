// The Winograd steps by their matrices. Sums are made modulo 2^32.

#include "nn/winograd_kernels.h"
#include "nn/winograd_matrices.h"

namespace samebits {
namespace {

// left * values * right^T for matrices `left` of rows x height and `right` of columns x width.
template <class Row>
void transform(const Row* left, int rows, int height, const Row* right, int columns, int width,
               const uint32_t* values, uint32_t* out) {
  uint32_t half[kMaxWinogradSize][kMaxWinogradSize] = {};
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < width; ++j)
      for (int k = 0; k < height; ++k)
        half[i][j] += static_cast<uint32_t>(left[i][k]) * values[k * width + j];
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      out[i * columns + j] = 0;
      for (int k = 0; k < width; ++k)
        out[i * columns + j] += half[i][k] * static_cast<uint32_t>(right[j][k]);
    }
}

// Channels that only fill the last chunk have weight 0, but must not be undefined.
template <int kRows, int kColumns>
void transform_inputs(const WinogradInputs& job) {
  constexpr WinogradMatrices r = winograd_matrices(kRows), c = winograd_matrices(kColumns);
  constexpr int kPositions = r.size * c.size;
  uint32_t values[kPositions], transformed[kPositions];
  for (int n = 0; n < job.channels || n % kWinogradChunk != 0; ++n) {
    for (int p = 0; p < kPositions; ++p)
      values[p] = n < job.channels ? static_cast<uint32_t>(job.pixels[p][n] - job.center) : 0;
    transform(r.input, r.size, r.size, c.input, c.size, c.size, values, transformed);
    int16_t* out =
        job.out + int64_t{n / kWinogradChunk} * kWinogradStep * kWinogradChunk + n % kWinogradChunk;
    for (int p = 0; p < kPositions; ++p)
      out[p * job.out_pitch] = static_cast<int16_t>(transformed[p]);
  }
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

template <int kRows, int kColumns>
void transform_outputs(const WinogradOutputs& job) {
  constexpr WinogradMatrices r = winograd_matrices(kRows), c = winograd_matrices(kColumns);
  constexpr int kPositions = r.size * c.size;
  uint32_t values[kPositions], sums[kRows * kColumns];
  for (int t = 0; t < job.tiles; ++t)
    for (int o = 0; o < kWinogradGroup; ++o) {
      for (int p = 0; p < kPositions; ++p)
        values[p] = static_cast<uint32_t>(
            job.products[p * job.products_pitch + int64_t{t} * kWinogradGroup + o]);
      transform(r.output, kRows, r.size, c.output, kColumns, c.size, values, sums);
      for (int i = 0; i < kRows; ++i)
        for (int j = 0; j < kColumns; ++j) {
          const auto scaled = static_cast<int32_t>(sums[i * kColumns + j] * r.inverse * c.inverse);
          const auto sum = static_cast<uint32_t>(scaled >> (r.shift[i] + c.shift[j]));
          const int64_t pixel = (int64_t{i} * job.tiles + t) * kColumns + j;
          job.acc[pixel * kWinogradGroup + o] =
              static_cast<int32_t>(sum + static_cast<uint32_t>(job.bias[o]));
        }
    }
}

template <int kRows, int kColumns>
constexpr WinogradKernels kKernels = {transform_inputs<kRows, kColumns>, multiply,
                                      transform_outputs<kRows, kColumns>, 1};

}  // namespace

WinogradKernels winograd_kernels_scalar(WinogradTile tile) {
  if (tile.rows == 2)
    return tile.columns == 2 ? kKernels<2, 2> : tile.columns == 3 ? kKernels<2, 3> : kKernels<2, 4>;
  return tile.columns == 3 ? kKernels<3, 3> : tile.rows == 3 ? kKernels<3, 4> : kKernels<4, 4>;
}

}  // namespace samebits
