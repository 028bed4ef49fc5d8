// parallel_for: every index once, errors arrive, nesting and several callers do not hang.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/threads.h"
#include "check.h"

using namespace samebits;

namespace {

void every_index_once() {
  for (const int threads : {1, 2, 7, 64}) {
    set_thread_count(threads);
    CHECK(thread_count() == threads);
    for (const int64_t count : {0, 1, 2, 6, 7, 8, 1000}) {
      std::vector<std::atomic<int>> seen(count);
      std::atomic<int> parts{0};
      parallel_for(count, [&](int64_t begin, int64_t end) {
        CHECK(begin < end);
        ++parts;
        for (int64_t i = begin; i < end; ++i) ++seen[i];
      });
      for (const auto& times : seen) CHECK(times == 1);
      CHECK(parts == std::min<int64_t>(count, threads));
    }
  }
}

void errors_arrive() {
  set_thread_count(4);
  for (int n = 0; n < 50; ++n) {
    CHECK_FAILS(limit_exceeded, "part", parallel_for(4, [](int64_t begin, int64_t) {
                  if (begin == 2) fail(ErrorKind::limit_exceeded, "part 2");
                }));
  }
  CHECK_FAILS(invalid_argument, "thread count is 0", set_thread_count(0));
  CHECK_FAILS(invalid_argument, "thread count is 257", set_thread_count(257));
}

void nested_and_concurrent() {
  set_thread_count(3);
  std::atomic<int64_t> sum{0};
  const auto call = [&] {
    for (int n = 0; n < 100; ++n)
      parallel_for(10, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          parallel_for(5, [&](int64_t a, int64_t b) { sum += b - a; });
      });
  };
  std::vector<std::thread> callers;
  for (int n = 0; n < 4; ++n) callers.emplace_back(call);
  for (std::thread& caller : callers) caller.join();
  CHECK(sum == 4 * 100 * 10 * 5);
}

void works_after_fork() {
  set_thread_count(3);
  parallel_for(3, [](int64_t, int64_t) {});
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    std::atomic<int64_t> sum{0};
    parallel_for(100, [&](int64_t begin, int64_t end) { sum += end - begin; });
    _exit(sum == 100 ? 0 : 1);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace

int main() {
  every_index_once();
  errors_arrive();
  nested_and_concurrent();
  works_after_fork();
}
