// Switching between stacks. x86-64 has a switch of its own, because swapcontext makes a system call
// each time; other machines and sanitizers use ucontext.
#pragma once

#include <ucontext.h>

#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EMULATOR_UCONTEXT
#endif
#endif
#if !defined(__x86_64__) || defined(__SANITIZE_ADDRESS__)
#define EMULATOR_UCONTEXT
#endif

namespace emulator {

// A suspended flow of control.
struct Fiber {
#ifdef EMULATOR_UCONTEXT
  ucontext_t context;
#else
  void* stack_pointer = nullptr;
#endif
};

// Makes `fiber` start at `entry`, which must never return.
void prepare_fiber(Fiber& fiber, void* stack, size_t bytes, void (*entry)());
void switch_fiber(Fiber& from, Fiber& to);

}  // namespace emulator
