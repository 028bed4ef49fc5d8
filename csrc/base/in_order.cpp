#include "base/in_order.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "base/threads.h"

namespace samebits {
namespace {

class Consumer {
 public:
  Consumer(int64_t count, const std::function<void(int64_t, int64_t)>& consume)
      : consume_(consume), produced_(static_cast<size_t>(count)) {}

  void produced(int64_t n) { produced_[static_cast<size_t>(n)] = true; }

  // Consumes what is there, unless another thread is at it: that one looks again when it is done.
  void consume() {
    while (mutex_.try_lock()) {
      const std::lock_guard<std::mutex> lock(mutex_, std::adopt_lock);
      if (failed_ || !has_next()) return;
      const int64_t begin = consumed_;
      while (has_next()) ++consumed_;
      failed_ = true;
      consume_(begin, consumed_);
      failed_ = false;
    }
  }

 private:
  bool has_next() const {
    const auto next = static_cast<size_t>(consumed_);
    return next < produced_.size() && produced_[next];
  }

  const std::function<void(int64_t, int64_t)>& consume_;
  std::vector<std::atomic<bool>> produced_;
  std::mutex mutex_;
  int64_t consumed_ = 0;
  bool failed_ = false;
};

}  // namespace

void produce_in_order(int64_t count, const std::function<void(int64_t)>& produce,
                      const std::function<void(int64_t, int64_t)>& consume) {
  Consumer consumer(count, consume);
  std::atomic<int64_t> next = 0;
  parallel_for(std::min<int64_t>(count, thread_count()), [&](int64_t, int64_t) {
    for (int64_t n = next++; n < count; n = next++) {
      produce(n);
      consumer.produced(n);
      consumer.consume();
    }
  });
  // What was produced just when another thread had looked for the last time.
  consumer.consume();
}

}  // namespace samebits
