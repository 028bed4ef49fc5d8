#include "nn/target.h"

#include <atomic>
#include <cstdlib>

#include "base/cpu.h"
#include "base/error.h"
#include "nn/target_kernels.h"
#ifdef SAMEBITS_HAVE_CUDA
#include "cuda/cuda_module.h"
#endif

namespace samebits {
namespace {

struct Choice {
  Target target;
  const char* name;
};
constexpr Choice kChoices[] = {{Target::scalar, "scalar"},
                               {Target::avx2, "avx2"},
                               {Target::avx512, "avx512"},
                               {Target::neon, "neon"},
                               {Target::cuda, "cuda"}};

bool have_neon() {
#ifdef SAMEBITS_HAVE_NEON
  return true;
#else
  return false;
#endif
}

bool have_cuda() {
#ifdef SAMEBITS_HAVE_CUDA
  return cuda_module() != nullptr;
#else
  return false;
#endif
}

bool available(Target target) {
  switch (target) {
    case Target::scalar:
      return true;
    case Target::avx2:
      return have_avx2();
    case Target::avx512:
      return have_avx512();
    case Target::neon:
      return have_neon();
    case Target::cuda:
      return have_cuda();
  }
  return false;
}

Target parse_target(const std::string& name, const char* where) {
  for (const Choice& choice : kChoices)
    if (name == choice.name && available(choice.target)) return choice.target;
  std::string message = std::string(where) + " '" + name + "' is not available; this machine has";
  for (const std::string& known : targets()) message += " " + known;
  fail(ErrorKind::invalid_argument, message);
}

Target initial_target() {
  const char* name = std::getenv("SAMEBITS_TARGET");
  if (name != nullptr && *name != '\0') return parse_target(name, "SAMEBITS_TARGET");
  return fastest_cpu_target();
}

std::atomic<Target>& target_setting() {
  static std::atomic<Target> setting{initial_target()};
  return setting;
}

}  // namespace

Target target() {
  return target_setting().load(std::memory_order_relaxed);
}

void set_target(const std::string& name) {
  target_setting().store(parse_target(name, "target"));
  choose_vector_set(name);
}

std::vector<std::string> targets() {
  std::vector<std::string> names;
  for (const Choice& choice : kChoices)
    if (available(choice.target)) names.push_back(choice.name);
  return names;
}

Target fastest_cpu_target() {
  for (const Target fast : {Target::avx512, Target::avx2, Target::neon})
    if (available(fast)) return fast;
  return Target::scalar;
}

const ConvKernels* target_kernels() {
  Target chosen = target();
  if (chosen == Target::cuda) chosen = fastest_cpu_target();
#ifdef SAMEBITS_HAVE_AVX2
  if (chosen == Target::avx2) return &kConvAvx2;
#endif
#ifdef SAMEBITS_HAVE_AVX512
  if (chosen == Target::avx512) return &kConvAvx512;
#endif
#ifdef SAMEBITS_HAVE_NEON
  if (chosen == Target::neon) return &kConvNeon;
#endif
  return nullptr;
}

std::string target_name(Target target) {
  for (const Choice& choice : kChoices)
    if (choice.target == target) return choice.name;
  return "unknown";
}

}  // namespace samebits
