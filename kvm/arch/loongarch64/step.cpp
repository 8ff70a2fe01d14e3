// How LoongArch is stepped: KVM accepts KVM_GUESTDBG_SINGLESTEP and does nothing.
//
// What moves the pc elsewhere is carried out here: it touches nothing but registers. Anything else
// runs in the guest, up to a temporary hypercall where it ends. A fault or an interrupt on the way
// is handled as without us, and the step ends when the guest comes back.
#include "kvm/arch/loongarch64/cpu.hpp"

#include <cstring>

namespace kdbg::kvm::loongarch64 {

Shaper LoongArchCpu::shaper() const {
  return [ours = facts_.breakpoint_word](ByteView code, std::uint64_t at) {
    return shape_of(code, at, ours);
  };
}

/// Where the CPU goes on after an exception (manual 6.2.1): ECFG.VS spaces the vectors.
Result<std::uint64_t> LoongArchCpu::vector(std::uint64_t exception) {
  constexpr unsigned spacing_first = 16, spacing_mask = 7;
  const std::uint64_t spacing = TRY(get(csr(Csr::ecfg))) >> spacing_first & spacing_mask;
  const std::uint64_t apart = spacing == 0 ? 0 : std::uint64_t{instruction_bytes} << spacing;
  return TRY(get(csr(Csr::eentry))) + exception * apart;
}

Result<StepPlan> LoongArchCpu::end_at_vector(std::uint64_t exception) {
  StepPlan plan;
  plan.ends[0] = TRY(vector(exception));
  return plan;
}

/// The return from a TLB refill goes from direct to mapped addressing, where its target's page is
/// not known yet: it is carried out here (manual 4.2.1.6).
Result<StepPlan> LoongArchCpu::return_from_exception() {
  const std::uint64_t crmd = TRY(get(csr(Csr::crmd))), refill = TRY(get(csr(Csr::tlbrera)));
  StepPlan plan;
  if ((crmd & crmd_plv) != 0) return end_at_vector(ecode_privilege);
  if ((refill & tlbrera_is_refill) == 0) {
    return end_at(TRY(get(csr(Csr::era))), TRY(vector(ecode_fetch_invalid)));
  }
  const std::uint64_t saved = TRY(get(csr(Csr::tlbrprmd)));
  std::uint64_t next = crmd & ~(crmd_plv | crmd_ie | crmd_da | crmd_we);
  next |= (saved & prmd_mode) | crmd_pg | ((saved & tlbrprmd_pwe) != 0 ? crmd_we : 0);
  TRY(set(csr(Csr::crmd), next));
  TRY(set(csr(Csr::tlbrera), refill & ~tlbrera_is_refill));
  TRY(set(pc_id, refill & ~std::uint64_t{3}));
  plan.done = true;
  return plan;
}

Result<bool> LoongArchCpu::takes(const Instruction& branch) {
  if (branch.kind == Kind::branch_condition) {
    const std::uint64_t flag = TRY(get(fcc_id)) >> (8u * branch.rj) & 1;
    return taken(branch.condition, flag, 0);
  }
  return taken(branch.condition, TRY(r(branch.rj)), TRY(r(branch.rd))); // rd is r0 for beqz, bnez
}

Result<StepPlan> LoongArchCpu::carry_out(const Instruction& found, std::uint64_t pc) {
  const std::uint64_t next = pc + instruction_bytes;
  std::uint64_t target = pc + static_cast<std::uint64_t>(found.offset);
  std::uint8_t link = 0;
  switch (found.kind) {
  case Kind::jump_register:
    target = TRY(r(found.rj)) + static_cast<std::uint64_t>(found.offset);
    link = found.rd;
    break;
  case Kind::jump:
    link = found.rd;
    break;
  case Kind::idle: // KVM, too, lets it end early, and one that slept would not end the step
    target = next;
    break;
  default:
    if (!TRY(takes(found))) target = next;
    break;
  }
  TRY(set(pc_id, target));
  if (link != 0) TRY(set(gpr(link), next));
  return StepPlan{.done = true};
}

Result<StepPlan> LoongArchCpu::begin_step() {
  const std::uint64_t at = TRY(pc()).value;
  step_begins(at);
  const Bytes code = TRY(code_at(at, longest_sequence));
  const auto found = decode(code);
  if (!found) return end_at_vector(ecode_fetch_invalid);
  switch (found->kind) {
  case Kind::plain:
  case Kind::store_conditional:
    break;
  case Kind::load_linked:
    if (auto through = run_through(at, code, shaper())) return *through;
    break;
  case Kind::system_call:
    return end_at_vector(ecode_system_call);
  case Kind::breakpoint:
    return end_at_vector(ecode_breakpoint);
  case Kind::ertn:
    return return_from_exception();
  case Kind::hypercall: // the guest's own, of the code that KVM keeps for us
    if (std::memcmp(code.data(), &facts_.breakpoint_word, instruction_bytes) != 0) break;
    TRY(take_unknown_hypercall(at));
    return StepPlan{.done = true};
  default:
    if (found->kind != Kind::idle || (TRY(get(csr(Csr::crmd))) & crmd_plv) == 0) {
      return carry_out(*found, at);
    }
    return end_at_vector(ecode_privilege);
  }
  return end_at(at + instruction_bytes, TRY(vector(ecode_fetch_invalid)));
}

} // namespace kdbg::kvm::loongarch64
