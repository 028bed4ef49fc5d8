#include "cuda/latent_crc.h"
#include "cuda/launch.h"

namespace samebits {
namespace {

constexpr int kThreads = 64;
constexpr uint32_t kPolynomial = 0xEDB88320;  // bit 31 is x^0
constexpr uint32_t kOne = 1u << 31, kX = 1u << 30;
constexpr int kPowers = 48;

struct CrcTables {
  uint32_t byte[256];
  uint32_t power[kPowers];  // x^(8 * 2^n)
};

__host__ __device__ inline uint32_t times_x(uint32_t a) {
  return a >> 1 ^ ((a & 1) != 0 ? kPolynomial : 0);
}

// Modulo the polynomial.
__host__ __device__ inline uint32_t product(uint32_t a, uint32_t b) {
  uint32_t sum = 0;
  for (uint32_t bit = kOne; bit != 0; bit >>= 1, b = times_x(b))
    if (a & bit) sum ^= b;
  return sum;
}

// a * x^(8 * bytes)
__device__ uint32_t moved(const CrcTables& tables, uint32_t a, int64_t bytes) {
  for (int n = 0; bytes != 0; ++n, bytes >>= 1)
    if (bytes & 1) a = product(a, tables.power[n]);
  return a;
}

__global__ void crc_kernel(DeviceTensor y_hat, const CrcTables* tables, DeviceStatus* status) {
  const int64_t n = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const int64_t positions = y_hat.positions(), bytes = int64_t{y_hat.channels} * 2;
  if (n >= positions) return;
  uint32_t crc = 0;
  const int16_t* values = y_hat.data + n * y_hat.pitch;
  for (int c = 0; c < y_hat.channels; ++c) {
    const uint32_t value = static_cast<uint16_t>(values[c]);
    crc = crc >> 8 ^ tables->byte[(crc ^ value) & 255];
    crc = crc >> 8 ^ tables->byte[(crc ^ value >> 8) & 255];
  }
  uint32_t share = moved(*tables, crc, (positions - 1 - n) * bytes);
  // What the register begins with moves behind all bytes; at the end it is inverted.
  if (n == 0) share ^= moved(*tables, UINT32_MAX, positions * bytes) ^ UINT32_MAX;
  atomicXor(&status->crc, share);
}

CrcTables make_tables() {
  CrcTables tables;
  for (uint32_t n = 0; n < 256; ++n) {
    tables.byte[n] = n;
    for (int bit = 0; bit < 8; ++bit) tables.byte[n] = times_x(tables.byte[n]);
  }
  uint32_t power = kX;
  for (int n = 0; n < 3; ++n) power = product(power, power);
  for (uint32_t& entry : tables.power) {
    entry = power;
    power = product(power, power);
  }
  return tables;
}

}  // namespace

LatentCrc::LatentCrc() {
  const CrcTables tables = make_tables();
  tables_ = uploaded(&tables, 1);
}

cudaError_t LatentCrc::run(const DeviceTensor& y_hat, DeviceStatus* status,
                           cudaStream_t stream) const {
  const dim3 grid(static_cast<unsigned>((y_hat.positions() + kThreads - 1) / kThreads));
  return launch(crc_kernel, grid, dim3(kThreads), 0, stream, y_hat, tables_.as<const CrcTables>(),
                status);
}

}  // namespace samebits
