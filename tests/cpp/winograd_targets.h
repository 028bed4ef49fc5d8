// The Winograd kernels that this machine can run.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "nn/target.h"
#include "nn/winograd_kernels.h"

struct WinogradTarget {
  const char* name;
  samebits::WinogradKernels (*kernels)(int tile);
};

inline std::vector<WinogradTarget> winograd_targets() {
  std::vector<WinogradTarget> all{{"scalar", samebits::winograd_kernels_scalar}};
#ifdef SAMEBITS_HAVE_AVX2
  const std::vector<std::string> names = samebits::targets();
  if (std::find(names.begin(), names.end(), "avx2") != names.end())
    all.push_back({"avx2", samebits::winograd_kernels_avx2});
#endif
  return all;
}
