#include "nn/row_buffers.h"

#include <algorithm>
#include <utility>

namespace samebits {

// The smallest free buffer that is large enough; without one, the largest is replaced.
RowBuffer RowBufferPool::take(int64_t values) {
  auto best = free_.end();
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    const bool fits = it->capacity >= values;
    if (best == free_.end() || (fits ? best->capacity < values || it->capacity < best->capacity
                                     : best->capacity < values && it->capacity > best->capacity))
      best = it;
  }
  RowBuffer buffer;
  if (best != free_.end()) {
    buffer = std::move(*best);
    free_.erase(best);
  }
  if (buffer.capacity >= values) return buffer;
  buffer.data.reset();
  if (kind_ == Kind::real)
    buffer.data = std::make_unique_for_overwrite<int16_t[]>(static_cast<size_t>(values));
  bytes_ += (values - buffer.capacity) * int64_t{sizeof(int16_t)};
  buffer.capacity = values;
  return buffer;
}

void RowBufferPool::give(RowBuffer buffer) {
  if (buffer.capacity > 0) free_.push_back(std::move(buffer));
}

}  // namespace samebits
