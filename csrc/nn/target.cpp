#include "nn/target.h"

#include <atomic>
#include <cstdlib>

#include "base/error.h"
#ifdef SAMEBITS_HAVE_CUDA
#include "cuda/cuda_module.h"
#endif

namespace samebits {
namespace {

struct Choice {
  Target target;
  const char* name;
};
constexpr Choice kChoices[] = {
    {Target::scalar, "scalar"}, {Target::avx2, "avx2"}, {Target::cuda, "cuda"}};

bool available(Target target) {
  switch (target) {
    case Target::scalar:
      return true;
    case Target::avx2:
#ifdef SAMEBITS_HAVE_AVX2
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("bmi2");
#else
      return false;
#endif
    case Target::cuda:
#ifdef SAMEBITS_HAVE_CUDA
      return cuda_module() != nullptr;
#else
      return false;
#endif
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
}

std::vector<std::string> targets() {
  std::vector<std::string> names;
  for (const Choice& choice : kChoices)
    if (available(choice.target)) names.push_back(choice.name);
  return names;
}

Target fastest_cpu_target() {
  return available(Target::avx2) ? Target::avx2 : Target::scalar;
}

std::string target_name(Target target) {
  for (const Choice& choice : kChoices)
    if (choice.target == target) return choice.name;
  return "unknown";
}

}  // namespace samebits
