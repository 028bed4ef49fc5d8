// Runs CUDA kernels on the CPU, for tests on machines without a GPU.
//
// The threads of a block are fibers on one OS thread, blocks run one after another. A barrier or a
// warp-collective operation parks a fiber until its partners have come. What the hardware leaves
// undefined is made to fail here where that is cheap: fibers run in an order that a seed chooses,
// shared and global memory begin as noise and end at a guard page, asynchronous copies land as late
// as they may, and partners that never come end the program with a message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace emulator {

struct Index3 {
  unsigned x = 0, y = 0, z = 0;
};

struct Dim3 {
  unsigned x, y, z;
  constexpr Dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

// Runs all blocks of a grid to their end.
void run_grid(Dim3 grid, Dim3 block, size_t shared_bytes, const std::function<void()>& kernel);

// Chooses the order of the fibers and the noise in fresh memory.
void set_seed(uint64_t seed);
uint64_t random_bits();

// How many barriers, collective operations and so on were run; a test that expects some can check.
struct Counters {
  int64_t blocks = 0, barriers = 0, collectives = 0, tensor_core = 0;
};
Counters& counters();

// The running thread.
const Index3& thread_index();
const Index3& block_index();
const Dim3& block_size();
const Dim3& grid_size();
unsigned char* shared_memory();
int lane();

void block_barrier();

// All 32 lanes of the warp meet. Each gives `bytes` bytes; the last one calls combine(operands of
// all lanes, 32 x stride bytes apart), which writes results in place; each takes its own back.
// `name` must be the same for all lanes.
constexpr size_t kOperandStride = 128;
using Combine = void (*)(unsigned char* operands);
void collective(const char* name, void* operand, size_t bytes, Combine combine);

// Copies 16 bytes when the copy's group is waited for; `valid` of them, then zeros.
void copy_later(void* to, const void* from, int valid);
void commit_copies();
void wait_copies(int groups_left);

// Ends the program.
[[noreturn]] void die(const char* what);

// Memory that ends at a guard page (up to `alignment`) and is filled with noise. Null if the limit
// set below would be passed.
void* allocate_guarded(size_t bytes, size_t alignment);
void free_guarded(void* memory);

}  // namespace emulator
