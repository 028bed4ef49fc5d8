#include "cuda/cuda_module.h"

#ifdef SAMEBITS_HAVE_CUDA

#include <dlfcn.h>

namespace samebits {
namespace {

// The directory of the library or program that holds this function.
std::string own_directory() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&cuda_module), &info) == 0) return ".";
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

struct Opened {
  CudaModule module{};
  std::string problem;  // empty if all is well
};

template <class Function>
void find(void* library, const char* name, Function& function, Opened& opened) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) opened.problem = std::string("_cuda.so has no function ") + name;
}

// Libraries stay open: CUDA cannot be closed safely.
Opened open_module() {
  Opened opened;
  void* library = dlopen((own_directory() + "/_cuda.so").c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) {
    opened.problem = "this build of Samebits has no CUDA kernels (_cuda.so cannot be opened)";
    return opened;
  }
  CudaInterfaceFunction interface = nullptr;
  CudaModule& module = opened.module;
  find(library, "samebits_cuda_device_count", module.device_count, opened);
  find(library, "samebits_cuda_current_device", module.current_device, opened);
  find(library, "samebits_cuda_conv2d", module.conv2d, opened);
  find(library, "samebits_cuda_open", module.open, opened);
  find(library, "samebits_cuda_close", module.close, opened);
  find(library, "samebits_cuda_decode", module.decode, opened);
  find(library, "samebits_cuda_release", module.release, opened);
  find(library, "samebits_cuda_download", module.download, opened);
  find(library, "samebits_cuda_interface", interface, opened);
  if (opened.problem.empty() && interface() != kCudaInterface)
    opened.problem = "_cuda.so belongs to another version of Samebits";
  if (opened.problem.empty() && module.device_count() == 0)
    opened.problem = "there is no CUDA device of compute capability 8.0 or later, or no driver";
  return opened;
}

}  // namespace

const CudaModule* cuda_module(std::string* why) {
  static const Opened opened = open_module();
  if (opened.problem.empty()) return &opened.module;
  if (why != nullptr) *why = opened.problem;
  return nullptr;
}

}  // namespace samebits

#else

namespace samebits {

const CudaModule* cuda_module(std::string* why) {
  if (why != nullptr) *why = "Samebits was built without CUDA";
  return nullptr;
}

}  // namespace samebits

#endif
