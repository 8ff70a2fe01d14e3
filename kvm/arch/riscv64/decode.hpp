#pragma once
/// What one RISC-V instruction does to the pc and to memory, as far as a debugger must know
/// (unprivileged architecture, RV64GC with Zcb and Zacas). Knows no vCPU.
#include "kvm/soft_step.hpp"

namespace kdbg::kvm::riscv64 {

enum class Kind : std::uint8_t {
  plain,
  branch,
  jal,
  jalr,
  ecall,
  ebreak,
  sret,
  wfi,
  load_reserved,
  store_conditional
};

struct Instruction {
  Kind kind = Kind::plain;
  std::uint8_t length = 0; ///< bytes; 0: the code ends before the instruction does
  std::uint8_t rd = 0, rs1 = 0, rs2 = 0;
  std::uint8_t condition = 0; ///< funct3 of a branch
  std::int64_t offset = 0;    ///< of a jump, a branch or an address
  // of an access to memory at rs1 + offset
  std::uint8_t bytes = 0; ///< 0: none
  bool reads = false, writes = false;
};

Instruction decode(ByteView code);
/// For the scan of a sequence; an ebreak is one of ours, or the guest's, which stops as well.
Shape shape_of(ByteView code, std::uint64_t at);
/// Of a branch with these operands.
bool taken(std::uint8_t condition, std::uint64_t left, std::uint64_t right);

} // namespace kdbg::kvm::riscv64
