// How RISC-V stops under KVM (Linux arch/riscv/kvm/vcpu.c, since 6.10).
//
// KVM_SET_GUEST_DEBUG takes any bits and looks at KVM_GUESTDBG_ENABLE alone: while it is set,
// breakpoint exceptions are not delegated to the guest but exit, pc at the ebreak. So do the
// guest's own ebreaks and triggers, and KVM has no way to hand one back: here the trap is taken by
// hand, as the CPU would.
#include "kvm/arch/riscv64/cpu.hpp"

namespace kdbg::kvm::riscv64 {

Status RiscvCpu::pass_to_guest(const Trap&) {
  return take_breakpoint(TRY(pc()).value);
}

/// Privileged architecture, "Supervisor Trap Handling".
Status RiscvCpu::take_breakpoint(std::uint64_t pc) {
  std::uint64_t status = TRY(get(csr(Csr::sstatus)));
  const std::uint64_t mode = TRY(get(core_mode)), target = TRY(handler());
  const bool interrupts = (status & sstatus_sie) != 0;
  status &= ~(sstatus_sie | sstatus_spie | sstatus_spp);
  if (interrupts) status |= sstatus_spie;
  if (mode == mode_supervisor) status |= sstatus_spp;
  TRY(set(csr(Csr::sepc), pc));
  TRY(set(csr(Csr::scause), cause_breakpoint));
  TRY(set(csr(Csr::stval), pc));
  TRY(set(csr(Csr::sstatus), status));
  TRY(set(core_mode, mode_supervisor));
  return set(core_pc, target);
}

} // namespace kdbg::kvm::riscv64
