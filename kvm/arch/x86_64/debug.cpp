// How x86 stops, steps and reports under KVM.
//
// KVM_SET_GUEST_DEBUG is whole-state: step, software and hardware breakpoints are always given
// together. A software breakpoint (int3, CC) exits with exception 3 and pc *at* the CC. A debug
// register exits with exception 1: for execution pc is at the instruction, for data after it, and
// DR6 says which; DR6 may also show bits of registers that are not enabled, so it is read through
// our own plan, never through the exit's dr7 (which the emulator path leaves unset). A single step
// is TF set behind the guest's back: #DB with BS. All three also catch the guest's own int3,
// icebp, TF and debug registers; what is not in the plan is the guest's, and it gets it back with
// the DR6 it would have seen.
//
// As measured under Linux 6.1's kvm_intel (the vmx lab, Bochs' CPU): after a hardware execution
// stop KVM_GET_REGS shows RF clear, so the slot fires again on resume unless it is disarmed; icebp
// stops at itself, and again for ever; `int 3` (CD 03) does not exit; an injected #BP pushes the pc
// behind the CC if an int3 exit came before it; a stepped OUT ends in a debug exit at its
// completion, a stepped MMIO write does not: it would run on. Under kvm_amd (the svm lab, QEMU's
// CPU) the last two are the same, and a vCPU that shuts down (triple fault) has been reset when we
// look at it. Some KVMs run guest code in the instruction emulator (kvm_pvm; see unemulated.cpp).
#include "kvm/arch/x86_64/cpu.hpp"

#include <algorithm>
#include <cstring>

namespace kdbg::kvm::x86 {
namespace {

constexpr std::byte opcode_icebp{0xf1};
constexpr std::uint32_t vector_breakpoint = 3;
constexpr std::uint32_t suberror_emulation = 1;
constexpr std::uint64_t dr7_base = 0x600; // GE and the bit that reads as one
constexpr unsigned slots = 4;

/// R/W and LEN fields of DR7 (SDM vol. 3, 18.2.4). R/W = 2 would be I/O, not a read.
std::uint64_t dr7_fields(const Slot& slot, unsigned n) {
  const std::uint64_t rw = slot.kind == PointKind::write ? 1 : is_watch(slot.kind) ? 3 : 0;
  const std::uint64_t len = slot.length == 8 ? 2 : rw == 0 ? 0 : slot.length - 1u;
  return std::uint64_t{2} << (2 * n) | (rw | len << 2) << (16 + 4 * n);
}

} // namespace

GuestDebug X86Cpu::encode(const DebugPlan& plan) const {
  GuestDebug out{};
  for (unsigned n = 0; n < slots; ++n) {
    if (!plan.slots[n]) continue;
    out.control |= debug_use_hw_bp;
    out.debugreg[n] = plan.slots[n]->address;
    out.debugreg[7] |= dr7_base | dr7_fields(*plan.slots[n], n);
  }
  if (lingering_ && (out.control & debug_use_hw_bp) == 0) {
    out.control |= debug_use_hw_bp;
    std::copy_n(lingering_->db, slots, out.debugreg);
    out.debugreg[7] = lingering_->dr7;
  }
  if (plan.software) out.control |= debug_use_sw_bp;
  if (plan.step) out.control |= debug_single_step;
  if (plan.block_interrupts) out.control |= debug_block_irq & facts_.debug_flags;
  if (out.control != 0) out.control |= debug_enable;
  return out;
}

/// The trap of a step that an exit cut in two (cpuid, a port, a page of KVM's that was missing) may
/// still wait in the CPU: it comes at the next entry, before the first instruction. KVM would give
/// it to the guest, if it does not come here.
Status X86Cpu::expect_lingering_trap(const DebugPlan& plan) {
  TRY(load_regs());
  const bool waits = lingering_ && regs_->rip == entered_at_;
  if (!waits) lingering_.reset();
  // after a step that the CPU did by itself nothing lingers: a trap of it that came early was
  // dropped
  const bool cut = before_.instruction.exits || step_cut_;
  if (plan.step || !((plan_.step && cut) || waits)) return Done{};
  TRY(debug_field(7));
  lingering_ = *debugregs_;
  entered_at_ = regs_->rip;
  return Done{};
}

Status X86Cpu::arm(const DebugPlan& plan) {
  if (facts_.step_trap_lingers) TRY(expect_lingering_trap(plan));
  if (plan.step && !plan_.step) {
    TRY(load_regs());
    guest_tf_ = (regs_->rflags & flag_tf) != 0;
  }
  const bool give_back_tf = plan_.step && !plan.step && guest_tf_;
  const bool must_rearm = plan.step && facts_.rearm_step;
  TRY(flush_regs());
  const GuestDebug want = encode(plan);
  if (!armed_ || *armed_ != want || must_rearm) {
    armed_.reset();
    TRY(vcpu_.set(set_guest_debug, want));
    armed_ = want;
  }
  plan_ = plan;
  if (give_back_tf) {
    TRY(load_regs());
    regs_->rflags |= flag_tf;
    regs_dirty_ = true;
    TRY(flush_regs());
  }
  if (sti_shadow_due_) {
    auto events = TRY(vcpu_.get<VcpuEvents>(get_events));
    events.interrupt.shadow = 2; // KVM_X86_SHADOW_INT_STI
    events.flags |= events_shadow;
    TRY(vcpu_.set(set_events, events));
    sti_shadow_due_ = false;
  }
  if (std::exchange(breakpoint_due_, false)) return issue(debug_inject_bp);
  return trap_due_ ? deliver_debug_exception() : Status{Done{}};
}

Status X86Cpu::deliver_debug_exception() {
  auto events = TRY(vcpu_.get<VcpuEvents>(get_events));
  if (events.exception.injected != 0 || events.exception.pending != 0) {
    return Done{}; // after that one
  }
  events.exception.nr = 1;
  events.exception.has_error_code = 0;
  if (facts_.exception_payload) {
    // The payload is DR6 with the active-low bits inverted, that is the cause bits alone;
    // KVM merges them into the guest's DR6 when the exception is delivered.
    events.exception.pending = 1;
    events.exception_has_payload = 1;
    events.exception_payload = trap_for_guest_;
    events.flags |= events_payload;
  } else {
    auto* dr6 = TRY(debug_field(6));
    *dr6 = (*dr6 & ~std::uint64_t{0xf}) | dr6_fixed | trap_for_guest_;
    TRY(vcpu_.set(set_debugregs, *debugregs_));
    events.exception.injected = 1;
  }
  TRY(vcpu_.set(set_events, events));
  trap_due_ = false;
  trap_for_guest_ = 0;
  return Done{};
}

/// The causes in DR6 that are breakpoints which the guest has enabled in its DR7.
Result<std::uint64_t> X86Cpu::guests_slots(std::uint64_t dr6) {
  std::uint64_t out = 0;
  const std::uint64_t dr7 = (dr6 & 0xf) != 0 ? *TRY(debug_field(7)) : 0;
  for (unsigned n = 0; n < slots; ++n) {
    if ((dr7 >> (2 * n) & 3) != 0) out |= dr6 & (1u << n);
  }
  return out;
}

Result<Trap> X86Cpu::read_dr6(std::uint64_t dr6) {
  std::uint32_t ours = 0;
  for (unsigned n = 0; n < slots; ++n) {
    if (plan_.slots[n]) ours |= 1u << n;
  }
  Trap trap;
  trap.slots = static_cast<std::uint32_t>(dr6) & ours;
  // Where steps' traps linger, icebp's exit shows BS as well; if it was one that lingered, what is
  // made of it here is what icebp does.
  if (facts_.step_trap_lingers && plan_.step && before_.instruction.raises == 1) {
    TRY(load_regs());
    if (regs_->rip == before_.regs.rip) dr6 &= ~dr6_bs;
  }
  trap.stepped = plan_.step && (dr6 & dr6_bs) != 0;
  bool lingered = false;
  if (lingering_ && (dr6 & dr6_bs) != 0) {
    TRY(load_regs());
    lingered = regs_->rip == entered_at_;
    lingering_.reset();
    if (lingered) dr6 &= ~dr6_bs;
  }
  // While any slot of ours is in use KVM does not arm the guest's debug registers at all.
  std::uint64_t guests = dr6 & dr6_bd;
  if (ours == 0) guests |= TRY(guests_slots(dr6));
  if (!plan_.step) guests |= dr6 & dr6_bs;
  trap.guests = guests != 0 || (trap.slots == 0 && !trap.stepped && !lingered);
  trap_for_guest_ |= guests;
  return trap;
}

Result<std::optional<Trap>> X86Cpu::decode_exit() {
  const kvm_run& run = vcpu_.run_page();
  if (run.exit_reason == KVM_EXIT_DEBUG) {
    DebugExit exit;
    std::memcpy(&exit, &run.debug, sizeof exit);
    if (exit.exception == vector_breakpoint) return std::optional(Trap{.software = true});
    return std::optional(TRY(read_dr6(exit.dr6)));
  }
  if (run.exit_reason == KVM_EXIT_INTERNAL_ERROR && run.internal.suberror == suberror_emulation) {
    return decode_unemulated();
  }
  return std::optional<Trap>{};
}

Status X86Cpu::issue(std::uint32_t extra_control) {
  GuestDebug now = encode(plan_);
  now.control |= extra_control;
  armed_.reset(); // a failure leaves it unknown
  TRY(vcpu_.set(set_guest_debug, now));
  now.control &= ~extra_control;
  armed_ = now;
  return Done{};
}

Status X86Cpu::pass_to_guest(const Trap& trap) {
  if (trap.software) {
    if (facts_.breakpoint_pc_stays) {
      TRY(load_regs());
      regs_->rip += 1;
      regs_dirty_ = true;
    }
    breakpoint_due_ = true; // by arm, after the registers: SET_REGS drops a pending exception
    return Done{};
  }
  TRY(load_regs());
  // mov ss holds every trap back for one instruction: what comes between the two is icebp's, and
  // has taken the causes that were held back with it.
  const bool after_load_ss = !facts_.emulated && plan_.step &&
                             before_.instruction.kind == Kind::load_ss &&
                             regs_->rip == before_.regs.rip + before_.instruction.length;
  if (after_load_ss || (trap_for_guest_ == 0 && !trap.stepped && trap.slots == 0)) {
    const Bytes code = TRY(code_at_pc());
    if (!code.empty() && code[0] == opcode_icebp) { // left at the instruction
      regs_->rip += 1;
      regs_dirty_ = true;
    }
  }
  trap_due_ = true;
  return Done{};
}

} // namespace kdbg::kvm::x86
