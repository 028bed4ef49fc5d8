// The Winograd and uint8 kernels that this machine can run.
#pragma once

#include <string>
#include <vector>

#include "nn/target.h"
#include "nn/winograd.h"

// Kernels of all targets of this machine but the GPU.
inline std::vector<samebits::WinogradKernels> all_winograd_kernels(samebits::WinogradTile tile) {
  std::vector<samebits::WinogradKernels> all;
  const samebits::Target before = samebits::target();
  for (const std::string& name : samebits::targets()) {
    samebits::set_target(name);
    if (samebits::target() != samebits::Target::cuda)
      all.push_back(samebits::winograd_kernels(samebits::target(), tile));
  }
  samebits::set_target(samebits::target_name(before));
  return all;
}
