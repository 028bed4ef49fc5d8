// Which version of the kernels runs. All give the same bits; scalar is the definition.
#pragma once

#include <string>
#include <vector>

namespace samebits {

// avx512 needs VNNI, avx2 also FMA and BMI2; neon is every 64-bit ARM.
// cuda: convolutions of whole pictures run on the GPU, everything else on the fastest CPU target.
enum class Target { scalar, avx2, avx512, neon, cuda };

// The target in use. At first SAMEBITS_TARGET, or the fastest of the CPU (cuda has to be asked
// for). An unknown or unavailable name in SAMEBITS_TARGET is Error(invalid_argument).
Target target();

// Error(invalid_argument) with the list of what there is, for an unknown or unavailable name.
void set_target(const std::string& name);

// Names usable on this machine, slowest (scalar) first.
std::vector<std::string> targets();

std::string target_name(Target target);

// The fastest CPU target of this machine.
Target fastest_cpu_target();

}  // namespace samebits
