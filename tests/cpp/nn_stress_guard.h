// Memory between two pages that nobody may touch: a kernel that reads or writes beyond its buffers
// ends the program.
#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

#include "check.h"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#define GUARD_PAGES 1
#endif

class GuardedBuffer {
 public:
  explicit GuardedBuffer(size_t capacity) {
#ifdef GUARD_PAGES
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    capacity_ = (capacity + page - 1) / page * page;
    void* all = mmap(nullptr, capacity_ + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(all != MAP_FAILED);
    data_ = static_cast<std::byte*>(all) + page;
    CHECK(mprotect(data_, capacity_, PROT_READ | PROT_WRITE) == 0);
#else
    capacity_ = capacity;
    data_ = new std::byte[capacity_];
#endif
  }
  GuardedBuffer(const GuardedBuffer&) = delete;  // lives as long as the program

  // Room for `count` values that ends, or begins, at a guard page.
  template <class T>
  T* place(size_t count, bool at_end) {
    CHECK(count * sizeof(T) <= capacity_);
    return reinterpret_cast<T*>(at_end ? data_ + capacity_ - count * sizeof(T) : data_);
  }

  template <class T>
  T* copy(const T* from, size_t count, bool at_end) {
    T* to = place<T>(count, at_end);
    std::memcpy(to, from, count * sizeof(T));
    return to;
  }

 private:
  std::byte* data_;
  size_t capacity_;
};
