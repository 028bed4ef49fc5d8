#include "fibers.h"

#include <cstdint>

#ifdef EMULATOR_UCONTEXT

namespace emulator {

void prepare_fiber(Fiber& fiber, void* stack, size_t bytes, void (*entry)()) {
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = stack;
  fiber.context.uc_stack.ss_size = bytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, entry, 0);
}

void switch_fiber(Fiber& from, Fiber& to) {
  swapcontext(&from.context, &to.context);
}

}  // namespace emulator

#else

// Saves the registers that a call must keep, exchanges the stacks, restores.
asm(R"(
.text
.type emulator_switch_stack, @function
emulator_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size emulator_switch_stack, .-emulator_switch_stack
)");
extern "C" void emulator_switch_stack(void** from, void* to);

namespace emulator {

void prepare_fiber(Fiber& fiber, void* stack, size_t bytes, void (*entry)()) {
  uintptr_t top = (reinterpret_cast<uintptr_t>(stack) + bytes) & ~uintptr_t{15};
  // As after a call: the return address lies at 8 modulo 16.
  auto* slot = reinterpret_cast<uintptr_t*>(top);
  *--slot = 0;
  *--slot = reinterpret_cast<uintptr_t>(entry);
  for (int saved = 0; saved < 6; ++saved) *--slot = 0;
  fiber.stack_pointer = slot;
}

void switch_fiber(Fiber& from, Fiber& to) {
  emulator_switch_stack(&from.stack_pointer, to.stack_pointer);
}

}  // namespace emulator

#endif
