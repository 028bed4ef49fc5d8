// The instructions that CUDA C++ has no name for, each a small function. Compiled without nvcc they
// are what the PTX ISA says, carried out by the emulator of tests/cuda.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace samebits {

enum class Byte { s8, u8 };

// c += a * b for a 16 x 32 and b 32 x 8, modulo 2^32 (no .satfinite).
template <Byte kA, Byte kB>
__device__ __forceinline__ void mma_16x8x32(int32_t (&c)[4], const uint32_t (&a)[4],
                                            const uint32_t (&b)[2]) {
#ifdef __CUDACC__
#define SAMEBITS_MMA(a_type, b_type)                                         \
  asm("mma.sync.aligned.m16n8k32.row.col.s32." a_type "." b_type             \
      ".s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])                       \
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
  if constexpr (kA == Byte::s8 && kB == Byte::s8) SAMEBITS_MMA("s8", "s8");
  if constexpr (kA == Byte::s8 && kB == Byte::u8) SAMEBITS_MMA("s8", "u8");
  if constexpr (kA == Byte::u8 && kB == Byte::s8) SAMEBITS_MMA("u8", "s8");
  if constexpr (kA == Byte::u8 && kB == Byte::u8) SAMEBITS_MMA("u8", "u8");
#undef SAMEBITS_MMA
#else
  emulator::mma_m16n8k32(c, a, b, kA == Byte::s8, kB == Byte::s8);
#endif
}

// Four 8 x 8 matrices of 16-bit elements: lane 8 j + r gives the address of row r of matrix j (in
// shared memory, 16 bytes, aligned); register j of lane l receives row l / 4, elements 2 (l % 4)
// and the next.
__device__ __forceinline__ void load_matrix_x4(uint32_t (&to)[4], const void* row) {
#ifdef __CUDACC__
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address)
               : "memory");
#else
  emulator::load_matrix_x4(to, row);
#endif
}

// Copies 16 bytes from global to shared memory in the background: zeros if `valid` is false, and
// then `from` is not read.
__device__ __forceinline__ void copy_16_async(void* to, const void* from, bool valid) {
#ifdef __CUDACC__
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(to));
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(address), "l"(from), "r"(bytes)
               : "memory");
#else
  emulator::copy_later(to, from, valid ? 16 : 0);
#endif
}

__device__ __forceinline__ void commit_copies() {
#ifdef __CUDACC__
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  emulator::commit_copies();
#endif
}

// Waits until at most kLeft of this thread's groups are under way.
template <int kLeft>
__device__ __forceinline__ void wait_copies() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
#else
  emulator::wait_copies(kLeft);
#endif
}

}  // namespace samebits
