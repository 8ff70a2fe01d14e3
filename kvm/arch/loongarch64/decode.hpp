#pragma once
/// What one LoongArch instruction does to the pc and to memory, as far as a debugger must know
/// (LoongArch reference manual vol. 1; LSX and LASX loads and stores). Knows no vCPU.
#include "kvm/soft_step.hpp"

namespace kdbg::kvm::loongarch64 {

enum class Kind : std::uint8_t {
  plain,
  branch,           ///< beq to bgeu: rj against rd
  branch_zero,      ///< beqz, bnez: rj
  branch_condition, ///< bceqz, bcnez: condition flag rj
  jump,             ///< b, bl
  jump_register,    ///< jirl
  system_call,
  breakpoint,
  hypercall,
  ertn,
  idle,
  load_linked,
  store_conditional
};

inline constexpr unsigned instruction_bytes = 4;

struct Instruction {
  Kind kind = Kind::plain;
  std::uint8_t rd = 0, rj = 0, rk = 0;
  std::uint8_t condition = 0; ///< of a branch: 0 equal, 1 not, 2 less, 3 not, 4 below, 5 not
  std::int64_t offset = 0;    ///< of a jump, a branch or an address
  // of an access to memory at rj + offset, or at rj + rk
  std::uint8_t bytes = 0; ///< 0: none
  bool indexed = false, reads = false, writes = false;
};

Instruction decode(std::uint32_t word);
/// Nothing: the code ends before the instruction does.
std::optional<Instruction> decode(ByteView code);
/// For the scan of a sequence; `ours` is the hypercall that KVM takes for a breakpoint.
Shape shape_of(ByteView code, std::uint64_t at, std::uint32_t ours);
/// Of a branch with these operands.
bool taken(std::uint8_t condition, std::uint64_t left, std::uint64_t right);

} // namespace kdbg::kvm::loongarch64
