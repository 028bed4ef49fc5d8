// What this machine and this build can run, and which vector instructions the kernels outside of
// csrc/nn use: those of the process's target, of which csrc/nn/target.cpp tells every change.
#pragma once

#include <string_view>

namespace samebits {

bool have_avx2();    // with FMA and BMI2
bool have_avx512();  // F, BW, VL, DQ and VNNI; all of AVX2 as well

enum class VectorSet { none, avx2, avx512 };

// The one in use. At first what SAMEBITS_TARGET names, or the best of this machine.
VectorSet vector_set();

// Takes the name of a target. "scalar" is none; the name of a vector set that this machine and this
// build have is that one; every other target (a GPU, for instance) goes with the best one.
void choose_vector_set(std::string_view target);

}  // namespace samebits
