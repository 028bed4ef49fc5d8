// The matrix instructions as the PTX ISA describes them, on operands of all lanes.
#pragma once

#include <cstdint>

namespace emulator {

// mma.sync.aligned.m16n8k32.row.col.s32.{s8,u8}.{s8,u8}.s32 without .satfinite: sums wrap.
void mma_m16n8k32(int32_t (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], bool a_signed,
                  bool b_signed);

// ldmatrix.sync.aligned.m8n8.x4.shared.b16
void load_matrix_x4(uint32_t (&to)[4], const void* row);

}  // namespace emulator
