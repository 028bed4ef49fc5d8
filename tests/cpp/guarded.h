// Memory whose neighbors cannot be touched: an access one byte outside ends the program.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "check.h"

// A copy of `values` that either ends right before or begins right after a page without access.
template <class T>
class Guarded {
 public:
  Guarded(const std::vector<T>& values, bool at_end) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t bytes = values.size() * sizeof(T);
    const size_t pages = (bytes + page - 1) / page * page;
    size_ = pages + 2 * page;
    memory_ = static_cast<char*>(
        mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(memory_ != MAP_FAILED);
    CHECK(mprotect(memory_, page, PROT_NONE) == 0);
    CHECK(mprotect(memory_ + page + pages, page, PROT_NONE) == 0);
    data_ = reinterpret_cast<T*>(memory_ + page + (at_end ? pages - bytes : 0));
    if (bytes > 0) std::memcpy(data_, values.data(), bytes);
  }
  ~Guarded() { munmap(memory_, size_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  T* data() const { return data_; }

 private:
  char* memory_;
  size_t size_;
  T* data_;
};
