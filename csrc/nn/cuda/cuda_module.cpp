#include "nn/cuda/cuda_module.h"

#include <dlfcn.h>

#include <string>

#include "base/error.h"

namespace samebits {
namespace {

// The directory of the library or program that holds this function.
std::string own_directory() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&cuda_available), &info) == 0) return ".";
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

// The module's convolution, or null. Libraries stay open: CUDA cannot be closed safely.
CudaConvFunction open_module() {
  if (dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL) == nullptr) return nullptr;
  void* module = dlopen((own_directory() + "/_cuda.so").c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (module == nullptr) return nullptr;
  const auto interface =
      reinterpret_cast<CudaInterfaceFunction>(dlsym(module, "samebits_cuda_interface"));
  const auto device_count =
      reinterpret_cast<CudaDeviceCountFunction>(dlsym(module, "samebits_cuda_device_count"));
  const auto conv = reinterpret_cast<CudaConvFunction>(dlsym(module, "samebits_cuda_conv2d"));
  const bool usable = interface != nullptr && device_count != nullptr && conv != nullptr &&
                      interface() == kCudaInterface && device_count() > 0;
  return usable ? conv : nullptr;
}

CudaConvFunction conv_function() {
  static const CudaConvFunction function = open_module();
  return function;
}

}  // namespace

bool cuda_available() {
  return conv_function() != nullptr;
}

void run_cuda(const CudaConv& conv) {
  if (const char* problem = conv_function()(&conv))
    fail(ErrorKind::invalid_argument,
         std::string("CUDA: ") + problem + "; smaller inputs or another target may help");
}

}  // namespace samebits
