// How arm64 stops and reports under KVM.
//
// KVM_SET_GUEST_DEBUG is whole-state: step, software and hardware breakpoints are always given
// together, and it holds until it is given anew; a step needs no arming again. The exit says why by
// ESR's cause, and for watchpoints where by FAR; the pc is never in it. BRK, breakpoint and
// watchpoint stop *at* the instruction, which is still to be done: nothing like x86's RF lets a
// vCPU past one, so it is disarmed for a step. With any of this on, every debug exception of the
// guest's comes out as well (MDCR_EL2.TDE): what is not in the plan is the guest's, and it gets it
// as the CPU would have delivered it (exceptions.cpp). The guest's own debug registers are never
// written: KVM keeps them beside ours, and the guest and ONE_REG see those.
#include "kvm/arch/arm64/cpu.hpp"
#include "kvm/arch/arm64/slots.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>

namespace kdbg::kvm::arm64 {
namespace {

constexpr unsigned cause_at = 26;

DebugExit exit_of(const kvm_run& run) {
  DebugExit out;
  std::memcpy(&out, &run.debug, sizeof out);
  return out;
}

} // namespace

GuestDebug Arm64Cpu::encode(const DebugPlan& plan) const {
  GuestDebug out{};
  for (unsigned n = 0; n < max_slots; ++n) {
    if (!plan.slots[n]) continue;
    out.control |= debug_use_hw;
    if (n < first_watch) {
      const Pair pair = encode_breakpoint(plan.slots[n]->address);
      out.bcr[n] = pair.control;
      out.bvr[n] = pair.value;
    } else {
      const Pair pair = encode_watch(*plan.slots[n]);
      out.wcr[n - first_watch] = pair.control;
      out.wvr[n - first_watch] = pair.value;
    }
  }
  if (plan.software) out.control |= debug_use_sw_bp;
  if (plan.step) out.control |= debug_single_step;
  if (out.control != 0) out.control |= debug_enable;
  return out;
}

Status Arm64Cpu::issue(const GuestDebug& want) {
  if (armed_ == want) return Done{};
  armed_.reset(); // a failure leaves it unknown
  if (auto set = vcpu_.set(set_guest_debug, want); !set) {
    if (set.error().sys_errno != EINVAL) return set;
    return Error{Code::unsupported,
                 fmt::format("this host's KVM does not support guest debugging as asked (flags "
                             "{:#x}; it advertises {:#x})",
                             want.control, facts_.debug_flags),
                 EINVAL};
  }
  armed_ = want;
  return Done{};
}

/// A step of a load-exclusive sequence: without SINGLESTEP, which would clear the monitor at each
/// exit so that the store never succeeds, to slots at its ends. Where slots do not suffice it is
/// stepped all the same.
DebugPlan Arm64Cpu::run_through(const DebugPlan& plan) {
  DebugPlan out = plan;
  std::uint32_t taken = 0;
  const unsigned slots = std::min(facts_.exec_slots, first_watch);
  for (const auto& end : before_.ends.ends) {
    if (!end) continue;
    const Slot wanted{*end, 1, PointKind::hardware};
    unsigned n = 0;
    while (n < slots && out.slots[n] && out.slots[n] != wanted) {
      ++n;
    }
    const bool needed = &end != &before_.ends.ends.back(); // that is the handler of a fault
    if (n == slots && needed) return plan;
    if (n == slots || out.slots[n]) continue; // the engine's own slot reports it
    out.slots[n] = wanted;
    taken |= 1u << n;
  }
  ends_ = taken;
  out.step = false;
  return out;
}

Status Arm64Cpu::arm(const DebugPlan& plan) {
  ends_ = 0;
  const bool sequence = plan.step && before_.ends.ends.front().has_value();
  const DebugPlan now = sequence ? run_through(plan) : plan;
  if (!plan.step) delivered_ = false;
  if (plan.step && plan.block_interrupts) {
    TRY(mask_interrupts());
  } else {
    TRY(unmask_interrupts());
  }
  TRY(issue(encode(now)));
  plan_ = now;
  single_ = now.step;
  return Done{};
}

std::uint64_t Arm64Cpu::syndrome() const {
  const kvm_run& run = vcpu_.run_page();
  const DebugExit exit = exit_of(run);
  const bool high = (run.flags & run_hsr_high) != 0;
  return exit.hsr | (high ? std::uint64_t{exit.hsr_high} << 32 : 0);
}

/// Where the CPU gives no address: the slots that the instruction at pc is about to touch.
Result<std::uint32_t> Arm64Cpu::touched_slots() {
  std::uint32_t out = 0;
  for (const Access& access : TRY(accesses())) {
    for (unsigned n = first_watch; n < max_slots; ++n) {
      const auto& slot = plan_.slots[n];
      const bool overlaps = slot && access.address <= slot->address + (slot->length - 1) &&
                            slot->address <= access.address + (access.length - 1);
      const bool directed = slot && (slot->kind == PointKind::write  ? access.writes
                                     : slot->kind == PointKind::read ? access.reads
                                                                     : true);
      if (overlaps && directed) out |= 1u << n;
    }
  }
  if (out != 0) return out;
  for (unsigned n = first_watch; n < max_slots; ++n) { // it was one of them
    if (plan_.slots[n]) out |= 1u << n;
  }
  return out;
}

Result<Trap> Arm64Cpu::decode_slots(Cause cause) {
  Trap trap;
  std::uint32_t hit = 0;
  if (cause == Cause::breakpoint) {
    const std::uint64_t at = TRY(regs_.get(reg::pc));
    for (unsigned n = 0; n < first_watch; ++n) {
      if (plan_.slots[n] && plan_.slots[n]->address == at) hit |= 1u << n;
    }
  } else if ((syndrome() & esr_far_not_valid) != 0) {
    hit = TRY(touched_slots());
  } else {
    const DebugExit exit = exit_of(vcpu_.run_page());
    hit = watch_hits(plan_, exit.far, (syndrome() & esr_write) != 0);
  }
  trap.stepped = (hit & ends_) != 0;
  trap.slots = hit & ~ends_;
  trap.guests = hit == 0;
  return trap;
}

Result<std::optional<Trap>> Arm64Cpu::decode_exit() {
  if (vcpu_.run_page().exit_reason != KVM_EXIT_DEBUG) return std::optional<Trap>{};
  // of a pair, the one for the same exception level cannot come from EL2's own
  const auto cause = static_cast<Cause>(syndrome() >> cause_at & 63);
  switch (cause) {
  case Cause::bkpt32:
  case Cause::brk64:
    return std::optional(Trap{.software = true});
  case Cause::breakpoint:
  case Cause::watchpoint:
    return std::optional(TRY(decode_slots(cause)));
  case Cause::step:
    return std::optional(Trap{.stepped = plan_.step, .guests = !plan_.step});
  }
  return std::optional(Trap{.guests = true});
}

Status Arm64Cpu::pass_to_guest(const Trap& trap) {
  const std::uint64_t why = syndrome();
  const auto cause = static_cast<Cause>(why >> cause_at & 63);
  const bool stepping = single_ || ends_ != 0;
  if (cause == Cause::watchpoint) {
    TRY(deliver(why, exit_of(vcpu_.run_page()).far));
  } else {
    TRY(deliver(why, {}));
  }
  delivered_ = stepping && !trap.stepped;
  return Done{};
}

} // namespace kdbg::kvm::arm64
