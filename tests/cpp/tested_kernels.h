// The kernels that a test can run here: those of this machine, and emulated ones.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "nn/conv_uint8_kernels.h"
#include "nn/target.h"
#include "nn/winograd_kernels.h"

inline bool machine_has(const char* target) {
  const std::vector<std::string> names = samebits::targets();
  return std::find(names.begin(), names.end(), target) != names.end();
}

inline bool can_run_avx512() {
#ifdef SAMEBITS_EMULATED_AVX512
  return true;
#else
  return machine_has("avx512");
#endif
}

#if defined(SAMEBITS_HAVE_AVX512) || defined(SAMEBITS_EMULATED_AVX512)
#define SAMEBITS_TEST_AVX512
#endif

struct WinogradTarget {
  const char* name;
  samebits::WinogradKernels (*kernels)(int tile);
};

inline std::vector<WinogradTarget> winograd_targets() {
  std::vector<WinogradTarget> all{{"scalar", samebits::winograd_kernels_scalar}};
#ifdef SAMEBITS_HAVE_AVX2
  if (machine_has("avx2")) all.push_back({"avx2", samebits::winograd_kernels_avx2});
#endif
#ifdef SAMEBITS_TEST_AVX512
  if (can_run_avx512()) all.push_back({"avx512", samebits::winograd_kernels_avx512});
#endif
  return all;
}

struct Uint8Target {
  const char* name;
  samebits::Uint8Kernel kernel;
  bool any_weights;  // or only those whose pairs are safe
};

inline std::vector<Uint8Target> uint8_targets() {
  std::vector<Uint8Target> all{{"scalar", samebits::uint8_block_scalar, true}};
#ifdef SAMEBITS_HAVE_AVX2
  if (machine_has("avx2")) all.push_back({"avx2", samebits::uint8_block_avx2, false});
#endif
#ifdef SAMEBITS_TEST_AVX512
  if (can_run_avx512()) all.push_back({"avx512", samebits::uint8_block_avx512, true});
#endif
  return all;
}
