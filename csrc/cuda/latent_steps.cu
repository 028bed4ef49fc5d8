#include "cuda/interface.h"
#include "cuda/latent_steps.h"
#include "cuda/launch.h"

namespace samebits {
namespace {

constexpr int kThreads = 256;
constexpr int kInverseGainBits = 8, kRowBits = 7;
constexpr int32_t kMaxSymbol = 1 << 20, kMaxHyperSymbol = 1 << 14;
constexpr int32_t kMaxProxy = 8191, kMaskValue = 256, kMaxLatent = 32767;

__device__ __forceinline__ int64_t thread_number() {
  return int64_t{blockIdx.x} * kThreads + threadIdx.x;
}

unsigned blocks_for(int64_t threads) {
  return static_cast<unsigned>((threads + kThreads - 1) / kThreads);
}

__device__ __forceinline__ int64_t clamped64(int64_t v, int64_t lo, int64_t hi) {
  return v < lo ? lo : v > hi ? hi : v;
}

__device__ __forceinline__ int16_t clamp16(int64_t v) {
  return static_cast<int16_t>(clamped64(v, -kMaxLatent, kMaxLatent));
}

__device__ __forceinline__ int16_t dequantized(int32_t mean, int32_t symbol, int32_t gain) {
  const int64_t half = int64_t{1} << (kInverseGainBits - 1);
  return clamp16(mean + ((int64_t{symbol} * gain + half) >> kInverseGainBits));
}

__device__ __forceinline__ int16_t proxy_q(int32_t proxy, int shift) {
  const int32_t rounded = shift == 0 ? proxy : (proxy + (1 << (shift - 1))) >> shift;
  return static_cast<int16_t>(clamped(rounded, -kMaxProxy, kMaxProxy));
}

__device__ __forceinline__ void check_symbol(int32_t symbol, int32_t limit, DeviceStatus* status) {
  if (symbol < -limit || symbol > limit) atomicOr(&status->problems, kSymbolTooLarge);
}

__global__ void hyper_rows_kernel(HyperTables tables, int channels, int64_t count, uint8_t* rows) {
  const int64_t n = thread_number();
  if (n >= count) return;
  rows[n] = static_cast<uint8_t>(
      tables.z_row[int64_t{*tables.quality} * channels + static_cast<int>(n % channels)]);
}

__global__ void hyper_values_kernel(HyperTables tables, const int32_t* symbols, DeviceTensor z_hat,
                                    DeviceStatus* status) {
  const int64_t n = thread_number();
  if (n >= z_hat.positions() * z_hat.pitch) return;
  const int c = static_cast<int>(n % z_hat.pitch);
  int16_t value = 0;
  if (c < z_hat.channels) {
    const int32_t symbol = symbols[n / z_hat.pitch * z_hat.channels + c];
    check_symbol(symbol, kMaxHyperSymbol, status);
    value = dequantized(0, symbol,
                        tables.z_inverse_gain[int64_t{*tables.quality} * z_hat.channels + c]);
  }
  z_hat.data[n] = value;
}

__global__ void start_latents_kernel(LatentState state, DeviceTensor hyper) {
  const int64_t n = thread_number();
  const DeviceTensor& context = state.context;
  if (n >= context.positions() * context.pitch) return;
  const int64_t position = n / context.pitch;
  const int c = static_cast<int>(n % context.pitch), m = state.proxy.channels;
  const int row = static_cast<int>(position / context.width);
  const int column = static_cast<int>(position % context.width);
  const int16_t* from = hyper.data + (int64_t{row} * hyper.width + column) * hyper.pitch;
  const int features = hyper.channels - m;
  int16_t value = 0;
  if (c < m)
    value = proxy_q(from[features + c], state.proxy_shift);
  else if (c >= 2 * m && c < context.channels)
    value = from[c - 2 * m];
  context.data[n] = value;
  if (c < state.proxy.pitch)
    state.proxy.data[position * state.proxy.pitch + c] = c < m ? from[features + c] : int16_t{0};
}

// Where an element of a rectangle lies.
struct Element {
  int64_t position;
  int channel;
};

__device__ __forceinline__ Element element_of(const DeviceRect& rect, int64_t n, int width) {
  const int place = static_cast<int>(n / rect.channels);
  const int two_rows = rect.at.count[0] + rect.at.count[1];
  const int pair = place / two_rows, rest = place - pair * two_rows;
  const int odd = rest >= rect.at.count[0] ? 1 : 0;
  const int row = 2 * pair + odd;
  const int column = rect.at.first[odd] + (rest - odd * rect.at.count[0]) * rect.at.stride[odd];
  return {int64_t{row} * width + column,
          rect.begin + static_cast<int>(n - int64_t{place} * rect.channels)};
}

__global__ void parameters_kernel(LatentState state, DeviceStep step, int16_t* delta,
                                  const int16_t* log_scale, uint8_t* rows) {
  const DeviceRect& rect = step.rect[blockIdx.y];
  const int64_t n = thread_number();
  if (n >= int64_t{rect.positions} * rect.channels) return;
  const Element at = element_of(rect, n, state.proxy.width);
  const int64_t e = rect.first_element + n;
  // An element is coded once, and until then its proxy is the prediction.
  const int32_t prediction = state.proxy.data[at.position * state.proxy.pitch + at.channel];
  delta[e] = clamp16(prediction + delta[e]);
  const int32_t gain = state.log2_gain[int64_t{*state.quality} * state.proxy.channels + at.channel];
  const int64_t row = (int64_t{log_scale[e]} + gain + (1 << (kRowBits - 1))) >> kRowBits;
  rows[e] = static_cast<uint8_t>(clamped64(row, 0, state.scale_rows - 1));
}

__global__ void update_kernel(LatentState state, DeviceStep step, const int16_t* mean,
                              const int32_t* symbols) {
  const DeviceRect& rect = step.rect[blockIdx.y];
  const int64_t n = thread_number();
  if (n >= int64_t{rect.positions} * rect.channels) return;
  const Element at = element_of(rect, n, state.proxy.width);
  const int64_t e = rect.first_element + n;
  check_symbol(symbols[e], kMaxSymbol, state.status);
  const int m = state.proxy.channels;
  const int16_t y_hat = dequantized(mean[e], symbols[e],
                                    state.inverse_gain[int64_t{*state.quality} * m + at.channel]);
  state.proxy.data[at.position * state.proxy.pitch + at.channel] = y_hat;
  int16_t* context = state.context.data + at.position * state.context.pitch + at.channel;
  context[0] = proxy_q(y_hat, state.proxy_shift);
  context[m] = kMaskValue;
}

dim3 grid_for(const DeviceStep& step) {
  int64_t most = 0;
  for (int r = 0; r < step.rects; ++r) {
    const int64_t elements = int64_t{step.rect[r].positions} * step.rect[r].channels;
    if (elements > most) most = elements;
  }
  return dim3(blocks_for(most), static_cast<unsigned>(step.rects));
}

}  // namespace

cudaError_t run_hyper_rows(const HyperTables& tables, int channels, int64_t positions,
                           uint8_t* rows, cudaStream_t stream) {
  const int64_t count = positions * channels;
  return launch(hyper_rows_kernel, dim3(blocks_for(count)), dim3(kThreads), 0, stream, tables,
                channels, count, rows);
}

cudaError_t run_hyper_values(const HyperTables& tables, const int32_t* symbols,
                             const DeviceTensor& z_hat, DeviceStatus* status, cudaStream_t stream) {
  return launch(hyper_values_kernel, dim3(blocks_for(z_hat.positions() * z_hat.pitch)),
                dim3(kThreads), 0, stream, tables, symbols, z_hat, status);
}

cudaError_t run_start_latents(const LatentState& state, const DeviceTensor& hyper,
                              cudaStream_t stream) {
  return launch(start_latents_kernel,
                dim3(blocks_for(state.context.positions() * state.context.pitch)), dim3(kThreads),
                0, stream, state, hyper);
}

cudaError_t run_parameters(const LatentState& state, const DeviceStep& step, int16_t* delta,
                           const int16_t* log_scale, uint8_t* rows, cudaStream_t stream) {
  return launch(parameters_kernel, grid_for(step), dim3(kThreads), 0, stream, state, step, delta,
                log_scale, rows);
}

cudaError_t run_update(const LatentState& state, const DeviceStep& step, const int16_t* mean,
                       const int32_t* symbols, cudaStream_t stream) {
  return launch(update_kernel, grid_for(step), dim3(kThreads), 0, stream, state, step, mean,
                symbols);
}

}  // namespace samebits
