#include "base/threads.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "base/error.h"

namespace samebits {
namespace {

// How often a thread looks for work, or for the end of a job, before it sleeps: some 130
// microseconds. Waking a sleeping thread takes longer than many a layer of a small picture.
constexpr int kSpins = 6000;

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

template <class Condition>
void spin_until(const Condition& condition) {
  for (int n = 0; n < kSpins && !condition(); ++n) relax();
}

// One parallel_for: `parts` pieces, taken in order by whoever is free.
struct Job {
  const std::function<void(int64_t, int64_t)>* work;
  const int64_t count;
  const int64_t parts;
  int64_t taken = 0;
  std::exception_ptr error;
  // Written with the lock held, and the last thing that a part touches: the caller owns the job and
  // may leave as soon as it sees all parts done.
  std::atomic<int64_t> done = 0;

  bool finished() const { return done.load(std::memory_order_acquire) == parts; }
};

// True on a thread that is inside a part, or does whole pictures on its own: a nested parallel_for
// then runs inline, because waiting for the pool from inside the pool could wait for ever.
thread_local bool inside_part = false;

class Pool {
 public:
  void run(Job& job) {
    std::unique_lock<std::mutex> lock(mutex_);
    grow(job.parts - 1);
    jobs_.push_back(&job);
    open_jobs_.store(static_cast<int>(jobs_.size()), std::memory_order_relaxed);
    if (sleepers_ > 0) work_ready_.notify_all();
    while (job.taken < job.parts) take_part(job, lock);
    lock.unlock();
    spin_until([&] { return job.finished(); });
    if (job.finished()) return;
    lock.lock();
    part_done_.wait(lock, [&] { return job.finished(); });
  }

 private:
  // Threads are made when first needed and stay. If the system has no more, fewer do the same
  // parts.
  void grow(int64_t wanted) {
    while (static_cast<int64_t>(workers_) < wanted) {
      try {
        std::thread([this] { serve(); }).detach();
      } catch (const std::system_error&) {
        return;
      }
      ++workers_;
    }
  }

  void serve() {
    for (;;) {
      spin_until([&] { return open_jobs_.load(std::memory_order_relaxed) > 0; });
      std::unique_lock<std::mutex> lock(mutex_);
      ++sleepers_;
      work_ready_.wait(lock, [&] { return !jobs_.empty(); });
      --sleepers_;
      take_part(*jobs_.front(), lock);
    }
  }

  // Called and left with the lock held; works without it.
  void take_part(Job& job, std::unique_lock<std::mutex>& lock) {
    const int64_t part = job.taken++, parts = job.parts;
    if (job.taken == parts) {
      jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
      open_jobs_.store(static_cast<int>(jobs_.size()), std::memory_order_relaxed);
    }
    lock.unlock();
    std::exception_ptr error;
    inside_part = true;
    try {
      const int64_t begin = job.count * part / parts;
      (*job.work)(begin, job.count * (part + 1) / parts);
    } catch (...) {
      error = std::current_exception();
    }
    inside_part = false;
    lock.lock();
    if (error && !job.error) job.error = error;
    if (job.done.fetch_add(1, std::memory_order_release) + 1 == parts) part_done_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable work_ready_, part_done_;
  std::deque<Job*> jobs_;           // those with parts not yet taken
  std::atomic<int> open_jobs_ = 0;  // their number, for those who look without the lock
  int workers_ = 0;
  int sleepers_ = 0;
};

// Never destroyed: its threads may still wait in it when the process ends.
Pool* pool = nullptr;

// A fork copies the pool but not its threads, so the child starts with a new one.
void make_pool() {
  pool = new Pool;
}

Pool& the_pool() {
  static std::once_flag once;
  std::call_once(once, [] {
    make_pool();
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(nullptr, nullptr, make_pool);
#endif
  });
  return *pool;
}

int initial_thread_count() {
  const char* text = std::getenv("SAMEBITS_THREADS");
  if (text == nullptr || *text == '\0') {
    const int hardware = static_cast<int>(std::thread::hardware_concurrency());
    return std::clamp(hardware, 1, kMaxThreads);
  }
  char* end = nullptr;
  const long n = std::strtol(text, &end, 10);
  if (*end != '\0' || n < 1 || n > kMaxThreads)
    fail(ErrorKind::invalid_argument,
         "SAMEBITS_THREADS is '" + std::string(text) + "'; it must be a number from 1 to 256");
  return static_cast<int>(n);
}

std::atomic<int>& count_setting() {
  static std::atomic<int> count{initial_thread_count()};
  return count;
}

}  // namespace

int thread_count() {
  return count_setting().load();
}

void set_thread_count(int n) {
  if (n < 1 || n > kMaxThreads)
    fail(ErrorKind::invalid_argument,
         "thread count is " + std::to_string(n) + "; it must be from 1 to 256");
  count_setting().store(n);
}

void keep_to_this_thread() {
  inside_part = true;
}

void parallel_for(int64_t count, const std::function<void(int64_t, int64_t)>& work) {
  if (count <= 0) return;
  const int64_t parts = std::min<int64_t>(count, thread_count());
  if (parts == 1 || inside_part) {
    work(0, count);
    return;
  }
  Job job{.work = &work, .count = count, .parts = parts, .error = {}};
  the_pool().run(job);
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace samebits
