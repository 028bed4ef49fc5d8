// Which version of the kernels runs. All give the same bits; scalar is the definition.
#pragma once

#include <string>
#include <vector>

namespace samebits {

enum class Target { scalar, avx2 };

// The target in use. At first SAMEBITS_TARGET, or the fastest this machine has. An unknown or
// unavailable name in SAMEBITS_TARGET is Error(invalid_argument).
Target target();

// Error(invalid_argument) with the list of what there is, for an unknown or unavailable name.
void set_target(const std::string& name);

// Names usable on this machine, slowest (scalar) first.
std::vector<std::string> targets();

std::string target_name(Target target);

}  // namespace samebits
