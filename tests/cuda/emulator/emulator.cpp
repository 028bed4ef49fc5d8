#include "emulator.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <vector>

#include "fibers.h"

namespace emulator {
namespace {

constexpr int kWarp = 32;
constexpr size_t kStackBytes = 64 << 10;

struct Copy {
  void* to;
  const void* from;
  int valid;
};

enum class State { ready, at_barrier, at_collective, finished };

struct Thread {
  Fiber fiber;
  Index3 index;
  int warp = 0, lane = 0;
  State state = State::ready;
  std::vector<Copy> open_copies;
  std::vector<std::vector<Copy>> groups;
};

struct Warp {
  const char* operation = nullptr;
  int waiting = 0;
  int threads = 0;
  alignas(16) unsigned char operands[kWarp * kOperandStride];
};

struct Block {
  Dim3 grid, size;
  Index3 index;
  unsigned char* shared = nullptr;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<int> order;
  const std::function<void()>* kernel = nullptr;
  int at_barrier = 0, finished = 0;
  Fiber scheduler;
  Thread* current = nullptr;
};

Block block;
std::mutex one_grid;
uint64_t random_state = 1;

// Stacks are kept from block to block.
unsigned char* stack_of(int thread) {
  static std::vector<std::unique_ptr<unsigned char[]>> stacks;
  while (static_cast<int>(stacks.size()) <= thread)
    stacks.push_back(std::make_unique<unsigned char[]>(kStackBytes));
  return stacks[thread].get();
}

void park(State state) {
  Thread& self = *block.current;
  self.state = state;
  switch_fiber(self.fiber, block.scheduler);
}

void finish_thread() {
  Thread& self = *block.current;
  if (!self.open_copies.empty()) die("a thread ends with copies that were never committed");
  ++block.finished;
  park(State::finished);
}

void thread_entry() {
  (*block.kernel)();
  finish_thread();
  die("a finished thread was resumed");
}

void release(State waiting, int warp) {
  for (Thread& thread : block.threads)
    if (thread.state == waiting && (warp < 0 || thread.warp == warp)) thread.state = State::ready;
}

void describe_stuck() {
  std::fprintf(stderr, "emulator: block (%u, %u, %u) is stuck: %d threads at a barrier, %d ended",
               block.index.x, block.index.y, block.index.z, block.at_barrier, block.finished);
  for (size_t w = 0; w < block.warps.size(); ++w)
    if (block.warps[w].waiting > 0)
      std::fprintf(stderr, ", %d lanes of warp %zu in %s", block.warps[w].waiting, w,
                   block.warps[w].operation);
  std::fprintf(stderr, "\n");
}

void run_block() {
  const int count = static_cast<int>(block.threads.size());
  while (block.finished < count) {
    bool progress = false;
    for (int n : block.order) {
      Thread& thread = block.threads[n];
      if (thread.state != State::ready) continue;
      progress = true;
      block.current = &thread;
      switch_fiber(block.scheduler, thread.fiber);
    }
    if (!progress) {
      describe_stuck();
      die("a barrier or a collective operation was not reached by all");
    }
  }
}

void start_threads() {
  const Dim3 size = block.size;
  const int count = static_cast<int>(size.x * size.y * size.z);
  block.threads.assign(count, Thread{});
  block.warps.assign((count + kWarp - 1) / kWarp, Warp{});
  block.order.resize(count);
  std::iota(block.order.begin(), block.order.end(), 0);
  for (int n = count - 1; n > 0; --n)
    std::swap(block.order[n], block.order[random_bits() % (n + 1)]);
  for (int n = 0; n < count; ++n) {
    Thread& thread = block.threads[n];
    thread.index = {n % size.x, n / size.x % size.y, n / (size.x * size.y)};
    thread.warp = n / kWarp;
    thread.lane = n % kWarp;
    ++block.warps[thread.warp].threads;
    prepare_fiber(thread.fiber, stack_of(n), kStackBytes, thread_entry);
  }
  block.at_barrier = block.finished = 0;
}

void fill_with_noise(void* memory, size_t bytes) {
  auto* to = static_cast<unsigned char*>(memory);
  for (size_t n = 0; n < bytes; n += 8) {
    const uint64_t bits = random_bits();
    std::memcpy(to + n, &bits, std::min<size_t>(8, bytes - n));
  }
}

struct Guarded {
  void* map;
  size_t bytes;
};
std::map<void*, Guarded>& guarded() {
  static std::map<void*, Guarded> all;
  return all;
}

}  // namespace

void run_grid(Dim3 grid, Dim3 size, size_t shared_bytes, const std::function<void()>& kernel) {
  const std::lock_guard<std::mutex> lock(one_grid);
  block.grid = grid;
  block.size = size;
  block.kernel = &kernel;
  block.shared = static_cast<unsigned char*>(allocate_guarded(shared_bytes, 16));
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        block.index = {x, y, z};
        fill_with_noise(block.shared, shared_bytes);
        start_threads();
        run_block();
        ++counters().blocks;
      }
  free_guarded(block.shared);
}

void set_seed(uint64_t seed) {
  random_state = seed * 2 + 1;
}

uint64_t random_bits() {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state * 0x2545F4914F6CDD1Du;
}

Counters& counters() {
  static Counters all;
  return all;
}

const Index3& thread_index() {
  return block.current->index;
}
const Index3& block_index() {
  return block.index;
}
const Dim3& block_size() {
  return block.size;
}
const Dim3& grid_size() {
  return block.grid;
}
unsigned char* shared_memory() {
  return block.shared;
}
int lane() {
  return block.current->lane;
}

void block_barrier() {
  if (++block.at_barrier < static_cast<int>(block.threads.size())) return park(State::at_barrier);
  block.at_barrier = 0;
  ++counters().barriers;
  release(State::at_barrier, -1);
}

void collective(const char* name, void* operand, size_t bytes, Combine combine) {
  Thread& self = *block.current;
  Warp& warp = block.warps[self.warp];
  if (bytes > kOperandStride) die("an operand of a collective operation is too large");
  if (warp.threads != kWarp) die("a collective operation in a warp of fewer than 32 threads");
  if (warp.waiting > 0 && std::strcmp(warp.operation, name) != 0) {
    std::fprintf(stderr, "emulator: %s meets %s\n", name, warp.operation);
    die("lanes of a warp are in different collective operations");
  }
  warp.operation = name;
  unsigned char* mine = warp.operands + self.lane * kOperandStride;
  std::memcpy(mine, operand, bytes);
  if (++warp.waiting < kWarp) {
    park(State::at_collective);
  } else {
    if (combine != nullptr) combine(warp.operands);
    warp.waiting = 0;
    ++counters().collectives;
    release(State::at_collective, self.warp);
  }
  std::memcpy(operand, mine, bytes);
}

void copy_later(void* to, const void* from, int valid) {
  if (reinterpret_cast<uintptr_t>(to) % 16 != 0 || reinterpret_cast<uintptr_t>(from) % 16 != 0)
    die("an asynchronous copy of 16 bytes is not aligned");
  block.current->open_copies.push_back({to, from, valid});
}

void commit_copies() {
  Thread& self = *block.current;
  self.groups.push_back(std::move(self.open_copies));
  self.open_copies.clear();
}

void wait_copies(int groups_left) {
  Thread& self = *block.current;
  while (static_cast<int>(self.groups.size()) > groups_left) {
    for (const Copy& copy : self.groups.front()) {
      std::memset(copy.to, 0, 16);
      if (copy.valid > 0) std::memcpy(copy.to, copy.from, copy.valid);
    }
    self.groups.erase(self.groups.begin());
  }
}

void die(const char* what) {
  std::fprintf(stderr, "emulator: %s\n", what);
  std::abort();
}

void* allocate_guarded(size_t bytes, size_t alignment) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t used = (bytes + alignment - 1) / alignment * alignment;
  const size_t mapped = (used + page - 1) / page * page + 2 * page;
  void* map = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) return nullptr;
  auto* first = static_cast<unsigned char*>(map);
  mprotect(first, page, PROT_NONE);
  mprotect(first + mapped - page, page, PROT_NONE);
  unsigned char* memory = first + mapped - page - used;
  fill_with_noise(memory, used);
  guarded()[memory] = {map, mapped};
  return memory;
}

void free_guarded(void* memory) {
  const auto found = guarded().find(memory);
  if (found == guarded().end()) die("frees memory that was not allocated");
  munmap(found->second.map, found->second.bytes);
  guarded().erase(found);
}

}  // namespace emulator
