#pragma once
/// Instructions as far as a debugger must know them: which need care when single-stepped, and
/// what memory they touch. Zydis does the decoding.
#include "kvm/arch.hpp"
#include "kvm/arch/x86_64/abi.hpp"

namespace kdbg::kvm::x86 {

/// Width that the code segment gives to code.
enum class CodeMode : std::uint8_t { bits16, bits32, bits64 };
CodeMode code_mode(const Sregs& sregs);

/// Instructions that read or write the trap flag, or whose step ends unlike others'.
enum class Kind : std::uint8_t {
  plain,
  pushf,
  popf,
  iret,
  syscall,
  sysret,
  interrupt,
  load_ss,
  sti,
  hlt
};

struct Instruction {
  Kind kind = Kind::plain;
  std::uint8_t length = 0;        ///< bytes; 0 when it could not be decoded
  std::uint8_t operand_bytes = 0; ///< 2, 4 or 8
  bool calls = false;             ///< pushes the address after it
  bool repeats = false;           ///< a string instruction with a repeat prefix
  bool locked = false;            ///< an atomic read-modify-write, xchg with memory included
  bool exits = false;             ///< KVM may carry it out instead of the CPU
  bool stays = false;             ///< a branch to itself: its end looks like its beginning
  /// The exception that it raises itself, or if it is to fault: SDM vol. 3, table 6-1.
  std::optional<std::uint8_t> raises{};
};

Instruction decode(ByteView code, CodeMode mode);

/// All of `code`, which begins at the linear address `at`, in AT&T's syntax.
std::vector<CodeLine> disassemble(ByteView code, std::uint64_t at, CodeMode mode);

/// Memory operands, implicit ones (stack, strings) included, at their linear addresses.
std::vector<Access> accesses(ByteView code, const Regs& regs, const Sregs& sregs);

} // namespace kdbg::kvm::x86
