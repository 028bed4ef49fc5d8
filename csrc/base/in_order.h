// Work in any order, results in order.
#pragma once

#include <cstdint>
#include <functional>

namespace samebits {

// Calls produce(n) for every n in [0, count) on all threads, and consume(begin, end) for stretches
// of what has been produced: in order, on one thread at a time, while others go on producing. The
// first exception is rethrown; nothing is consumed after one of consume's.
void produce_in_order(int64_t count, const std::function<void(int64_t n)>& produce,
                      const std::function<void(int64_t begin, int64_t end)>& consume);

}  // namespace samebits
