#include "base/cpu.h"

#include <atomic>
#include <cstdlib>

namespace samebits {

bool have_avx2() {
#ifdef SAMEBITS_HAVE_AVX2
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi2");
#else
  return false;
#endif
}

bool have_avx512() {
#ifdef SAMEBITS_EMULATE_AVX512
  return have_avx2();
#elif defined(SAMEBITS_HAVE_AVX512)
  return have_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

namespace {

VectorSet vector_set_of(std::string_view target) {
  if (target == "scalar") return VectorSet::none;
  if (target != "avx2" && have_avx512()) return VectorSet::avx512;
  return have_avx2() ? VectorSet::avx2 : VectorSet::none;
}

std::atomic<VectorSet>& setting() {
  static std::atomic<VectorSet> chosen = [] {
    const char* name = std::getenv("SAMEBITS_TARGET");
    return vector_set_of(name != nullptr ? name : "");
  }();
  return chosen;
}

}  // namespace

VectorSet vector_set() {
  return setting().load(std::memory_order_relaxed);
}

void choose_vector_set(std::string_view target) {
  setting().store(vector_set_of(target), std::memory_order_relaxed);
}

}  // namespace samebits
