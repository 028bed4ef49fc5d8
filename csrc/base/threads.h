// Threads that never change a bit: work is cut into a fixed partition, and every part writes its
// own output.
#pragma once

#include <cstdint>
#include <functional>

namespace samebits {

inline constexpr int kMaxThreads = 256;

// Threads used by parallel_for. At first SAMEBITS_THREADS, or the number of hardware threads.
int thread_count();

// n in 1 .. 256, otherwise Error(invalid_argument).
void set_thread_count(int n);

// Calls work(begin, end) for contiguous parts that cover [0, count) once, on up to thread_count()
// threads, the caller's among them. Returns when all are done. The first exception of a part is
// rethrown here. Several threads may call at the same time; a call from inside a part runs inline.
void parallel_for(int64_t count, const std::function<void(int64_t begin, int64_t end)>& work);

// From now on parallel_for runs inline on the calling thread: for threads that do whole pictures.
void keep_to_this_thread();

}  // namespace samebits
