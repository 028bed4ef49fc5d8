#include "tensor_core.h"

#include <cstring>

#include "emulator.h"

namespace emulator {
namespace {

struct MmaOperand {
  int32_t c[4];
  uint32_t a[4], b[2];
  uint8_t a_signed, b_signed;
};

MmaOperand& operand_of(unsigned char* operands, int lane) {
  return *reinterpret_cast<MmaOperand*>(operands + lane * kOperandStride);
}

int32_t element(uint32_t reg, int byte, bool is_signed) {
  const uint8_t bits = static_cast<uint8_t>(reg >> (8 * byte));
  return is_signed ? static_cast<int8_t>(bits) : bits;
}

// PTX ISA, "Matrix fragments for mma.m16n8k32" with 8-bit elements: element i of a lane's A is in
// row groupID (+ 8 for registers 1 and 3), column 4 * thread + i % 4 (+ 16 for registers 2 and 3);
// of B in row (k) 4 * thread + i % 4 (+ 16 for register 1), column groupID; of C in row groupID
// (+ 8 for registers 2 and 3), column 2 * thread + i % 2.
void combine_mma(unsigned char* operands) {
  int32_t a[16][32], b[32][8];
  for (int lane = 0; lane < 32; ++lane) {
    const MmaOperand& mine = operand_of(operands, lane);
    const MmaOperand& first = operand_of(operands, 0);
    if (mine.a_signed != first.a_signed || mine.b_signed != first.b_signed)
      die("lanes of a warp give different types to mma");
    const int group = lane / 4, thread = lane % 4;
    for (int reg = 0; reg < 4; ++reg)
      for (int i = 0; i < 4; ++i)
        a[group + 8 * (reg & 1)][4 * thread + i + 16 * (reg >> 1)] =
            element(mine.a[reg], i, mine.a_signed);
    for (int reg = 0; reg < 2; ++reg)
      for (int i = 0; i < 4; ++i)
        b[4 * thread + i + 16 * reg][group] = element(mine.b[reg], i, mine.b_signed);
  }
  for (int lane = 0; lane < 32; ++lane) {
    MmaOperand& mine = operand_of(operands, lane);
    for (int reg = 0; reg < 4; ++reg) {
      const int row = lane / 4 + 8 * (reg >> 1), column = 2 * (lane % 4) + (reg & 1);
      uint32_t sum = static_cast<uint32_t>(mine.c[reg]);
      for (int k = 0; k < 32; ++k) sum += static_cast<uint32_t>(a[row][k] * b[k][column]);
      mine.c[reg] = static_cast<int32_t>(sum);
    }
  }
}

struct LoadOperand {
  const unsigned char* row;
  uint32_t to[4];
};

// Lanes 8 j .. 8 j + 7 give the rows of matrix j; lane l receives elements 2 (l % 4) and
// 2 (l % 4) + 1 of row l / 4 of each matrix.
void combine_load(unsigned char* operands) {
  const unsigned char* rows[32];
  LoadOperand mine;
  for (int lane = 0; lane < 32; ++lane) {
    std::memcpy(&mine, operands + lane * kOperandStride, sizeof(mine));
    rows[lane] = mine.row;
    if (reinterpret_cast<uintptr_t>(mine.row) % 16 != 0) die("a row of ldmatrix is not aligned");
  }
  for (int lane = 0; lane < 32; ++lane) {
    for (int j = 0; j < 4; ++j)
      std::memcpy(&mine.to[j], rows[8 * j + lane / 4] + 4 * (lane % 4), sizeof(uint32_t));
    mine.row = nullptr;
    std::memcpy(operands + lane * kOperandStride, &mine, sizeof(mine));
  }
}

}  // namespace

void mma_m16n8k32(int32_t (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], bool a_signed,
                  bool b_signed) {
  MmaOperand operand;
  std::memcpy(operand.c, c, sizeof(c));
  std::memcpy(operand.a, a, sizeof(a));
  std::memcpy(operand.b, b, sizeof(b));
  operand.a_signed = a_signed;
  operand.b_signed = b_signed;
  if (lane() == 0) ++counters().tensor_core;
  collective("mma", &operand, sizeof(operand), combine_mma);
  std::memcpy(c, operand.c, sizeof(c));
}

void load_matrix_x4(uint32_t (&to)[4], const void* row) {
  LoadOperand operand{static_cast<const unsigned char*>(row), {}};
  collective("ldmatrix", &operand, sizeof(operand), combine_load);
  std::memcpy(to, operand.to, sizeof(to));
}

}  // namespace emulator
