// How RISC-V is stepped: KVM accepts KVM_GUESTDBG_SINGLESTEP and does nothing.
//
// What moves the pc elsewhere is carried out here: it touches nothing but registers. Anything else
// runs in the guest, up to a temporary ebreak where it ends. A fault or an interrupt on the way is
// handled as without us, and the step ends when the guest comes back.
#include "kvm/arch/riscv64/cpu.hpp"

namespace kdbg::kvm::riscv64 {

/// Where exceptions that the guest handles itself go, in either mode of stvec.
Result<std::uint64_t> RiscvCpu::handler() {
  return TRY(get(csr(Csr::stvec))) & ~stvec_mode;
}

Status RiscvCpu::jump(std::uint64_t target, std::uint8_t link, std::uint64_t back) {
  TRY(set(core_pc, target));
  if (link != 0) TRY(set(core_x(link), back));
  return Done{};
}

Result<StepPlan> RiscvCpu::carry_out(const Instruction& found, std::uint64_t pc) {
  const std::uint64_t next = pc + found.length;
  const std::uint64_t target = pc + static_cast<std::uint64_t>(found.offset);
  switch (found.kind) {
  case Kind::branch: {
    const bool takes = taken(found.condition, TRY(x(found.rs1)), TRY(x(found.rs2)));
    TRY(jump(takes ? target : next, 0, next));
    break;
  }
  case Kind::jal:
    TRY(jump(target, found.rd, next));
    break;
  case Kind::jalr: {
    const std::uint64_t base = TRY(x(found.rs1)); // before rd, which may be the same
    TRY(jump((base + static_cast<std::uint64_t>(found.offset)) & ~std::uint64_t{1}, found.rd,
             next));
    break;
  }
  case Kind::wfi: // may always end at once, and one that slept would not end the step
    TRY(jump(next, 0, next));
    break;
  default: // ebreak
    TRY(take_breakpoint(pc));
    break;
  }
  return StepPlan{.done = true};
}

Result<StepPlan> RiscvCpu::begin_step() {
  const std::uint64_t at = TRY(pc()).value;
  step_begins(at);
  const Bytes code = TRY(code_at(at, longest_sequence));
  const Instruction found = decode(code);
  StepPlan plan;
  if (found.length == 0) { // its fetch will fault
    plan.ends[0] = TRY(handler());
    return plan;
  }
  switch (found.kind) {
  case Kind::plain:
  case Kind::store_conditional:
    break;
  case Kind::load_reserved:
    if (auto through = run_through(at, code, shape_of)) return *through;
    break;
  case Kind::ecall: // the supervisor's own goes to KVM and comes back
    if (TRY(get(core_mode)) == mode_supervisor) break;
    plan.ends[0] = TRY(handler());
    return plan;
  case Kind::sret: // from user mode it is illegal
    if (TRY(get(core_mode)) == mode_supervisor) {
      return end_at(TRY(get(csr(Csr::sepc))) & ~std::uint64_t{1}, TRY(handler()));
    }
    plan.ends[0] = TRY(handler());
    return plan;
  default:
    return carry_out(found, at);
  }
  return end_at(at + found.length, TRY(handler()));
}

} // namespace kdbg::kvm::riscv64
