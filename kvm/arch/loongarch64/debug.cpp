// How LoongArch stops under KVM (Linux arch/loongarch/kvm/exit.c, since 6.10).
//
// A breakpoint is a hypercall of one code, which KVM names in a register: with
// KVM_GUESTDBG_USE_SW_BP it exits, pc at it. The guest's own `break` never comes out of the guest.
// A guest that uses that hypercall's code itself would get "invalid code" from a KVM that is not
// debugging: so it does here.
#include "kvm/arch/loongarch64/cpu.hpp"

namespace kdbg::kvm::loongarch64 {

Status LoongArchCpu::pass_to_guest(const Trap&) {
  return take_unknown_hypercall(TRY(pc()).value);
}

Status LoongArchCpu::take_unknown_hypercall(std::uint64_t pc) {
  constexpr unsigned a0 = 4;
  constexpr auto invalid_code = ~std::uint64_t{0}; // KVM_HCALL_INVALID_CODE
  TRY(set(gpr(a0), invalid_code));
  return set(pc_id, pc + instruction_bytes);
}

} // namespace kdbg::kvm::loongarch64
