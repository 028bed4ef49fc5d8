// Buffers of rows for the values of a network, reused from strip to strip.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace samebits {

struct RowBuffer {
  int64_t capacity = 0;  // int16 values
  std::unique_ptr<int16_t[]> data;
};

// Takes memory only where no free buffer is large enough, so that a steady loop takes none. A
// counting pool gives the same buffers without memory: it tells beforehand what a run will hold.
class RowBufferPool {
 public:
  enum class Kind { real, counting };
  explicit RowBufferPool(Kind kind) : kind_(kind) {}

  RowBuffer take(int64_t values);
  void give(RowBuffer buffer);

  // Of all buffers, in use or free.
  int64_t bytes() const { return bytes_; }

 private:
  Kind kind_;
  int64_t bytes_ = 0;
  std::vector<RowBuffer> free_;
};

}  // namespace samebits
