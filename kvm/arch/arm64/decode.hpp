#pragma once
/// What a single step must know of an A64 instruction (Arm ARM, chapter C4).
#include <cstdint>

namespace kdbg::kvm::arm64 {

enum class Kind : std::uint8_t {
  plain,
  read_masks,       ///< MRS Xt, DAIF
  write_masks,      ///< MSR DAIF, Xt
  set_masks,        ///< MSR DAIFSet, #imm
  clear_masks,      ///< MSR DAIFClr, #imm
  exception_return, ///< ERET, ERETAA, ERETAB
  call,             ///< SVC, HVC, SMC: the exception returns after it
  system,           ///< any other of the system class: it may change how memory is mapped
  load_exclusive,
  store_exclusive,
  branch, ///< any other that may leave the pc where it is
};

struct Instruction {
  Kind kind = Kind::plain;
  std::uint8_t reg = 31;   ///< Rt of read_masks and write_masks
  std::uint64_t masks = 0; ///< PSTATE's bits that set_masks and clear_masks name
};

Instruction decode(std::uint32_t word);
/// Of B.cond, CBZ, CBNZ, TBZ and TBNZ, in bytes from it; 0 for all others.
std::int64_t conditional_offset(std::uint32_t word);

inline constexpr std::uint32_t brk_0 = 0xd4200000;

} // namespace kdbg::kvm::arm64
