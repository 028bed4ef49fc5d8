// produce_in_order: everything once, in order, whatever the threads do.
#include <atomic>
#include <vector>

#include "base/in_order.h"
#include "base/threads.h"
#include "check.h"

using namespace samebits;

namespace {

void everything_once_in_order() {
  for (const int threads : {1, 2, 5, 16}) {
    set_thread_count(threads);
    for (const int64_t count : {0, 1, 2, 31, 1000}) {
      std::vector<std::atomic<int>> produced(count);
      int64_t consumed = 0;
      const auto produce = [&](int64_t n) { ++produced[n]; };
      const auto consume = [&](int64_t begin, int64_t end) {
        CHECK(begin == consumed && begin < end && end <= count);
        for (int64_t n = begin; n < end; ++n) CHECK(produced[n] == 1);
        consumed = end;
      };
      produce_in_order(count, produce, consume);
      CHECK(consumed == count);
    }
  }
}

void errors_arrive() {
  set_thread_count(4);
  for (int n = 0; n < 100; ++n) {
    int64_t consumed = 0;
    const auto consume = [&](int64_t, int64_t end) {
      CHECK(consumed < 20);
      consumed = end;
      if (end >= 20) fail(ErrorKind::corrupt_stream, "item 20");
    };
    CHECK_FAILS(corrupt_stream, "item 20",
                produce_in_order(
                    100, [](int64_t) {}, consume));
    const auto produce = [](int64_t item) {
      if (item == 7) fail(ErrorKind::limit_exceeded, "item 7");
    };
    const auto before_7 = [](int64_t, int64_t end) { CHECK(end <= 7); };
    CHECK_FAILS(limit_exceeded, "item 7", produce_in_order(100, produce, before_7));
  }
}

}  // namespace

int main() {
  for (int n = 0; n < 20; ++n) everything_once_in_order();
  errors_arrive();
}
