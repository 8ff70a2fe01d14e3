// The vCPUs' side of the engine: what to arm before KVM_RUN, and what an exit means. On vCPU
// threads; reads the placed sites, which change only while every vCPU is parked.
#include "kvm/engine.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>

namespace kdbg::kvm {

DebugPlan Engine::plan_for(VcpuRun& run, std::uint64_t pc, const StepPlan& step) const {
  const Placed& placed = sites_.placed();
  const bool asked = run.off_site || run.motion == Motion::step;
  const bool steps = asked || placed.stepping;
  const bool foretold = alone_ && alone_->foretold;
  DebugPlan plan{steps && !foretold, (placed.instructions || foretold) && facts_.breakpoint_exit,
                 asked && facts_.block_interrupts, placed.slots};
  // A slot at pc would fire before the step, and again for ever where KVM ignores RF. A vCPU that
  // only steps for a watch's sake, and was held as it came to this pc, has yet to tell of it.
  for (unsigned n = 0; steps && n < max_slots; ++n) {
    auto& slot = plan.slots[n];
    const bool reported = run.passed == pc && (run.passed_slots >> n & 1) != 0;
    const bool here = asked && slot && slot->kind == PointKind::hardware && slot->address == pc;
    if (here || reported) slot.reset();
  }
  run.end_slot.reset();
  if (foretold) return plan;
  const SlotRange usable = arch_.slots_for(PointKind::hardware);
  const auto& end = step.ends.front(); // only one is ever known beside a step of KVM's own
  for (unsigned n = usable.first; end && usable.holds(n) && !run.end_slot; ++n) {
    if (plan.slots[n]) continue;
    plan.slots[n] = Slot{*end, 1, PointKind::hardware};
    run.end_slot = n;
  }
  return plan;
}

/// A foretold step has begun already, on the strand.
Result<StepPlan> Engine::begin_step(VcpuId id) {
  if (alone_ && alone_->foretold) return *alone_->foretold;
  return vmm_.cpu(id).begin_step();
}

/// By its address, or by its memory: an instruction that changes the page tables may show what
/// comes next elsewhere, as Linux does when it turns paging on.
Result<bool> Engine::at_foretold_end(VcpuId id) const {
  if (!alone_ || !alone_->foretold) return false;
  Cpu& cpu = vmm_.cpu(id);
  const std::uint64_t pc = TRY(cpu.pc()).value;
  const auto& ends = alone_->foretold->ends;
  if (std::find(ends.begin(), ends.end(), pc) != ends.end()) return true;
  auto where = cpu.translate(Address{pc});
  if (!where && where.error().code == Code::kernel) return where.error();
  return where && sites_.temporary_at(where->physical);
}

/// True when the step that was asked for is done already, without entering the guest.
Result<bool> Engine::prepare_entry(VcpuId id) {
  VcpuRun& run = runs_[index(id)];
  Cpu& cpu = vmm_.cpu(id);
  if (run.off_site && !alone_) TRY(emulate_site(id)); // cheaper than a step, where it can be done
  const bool stepping = run.off_site || run.motion == Motion::step || sites_.placed().stepping;
  const std::uint64_t pc = stepping ? TRY(cpu.pc()).value : 0;
  const StepPlan step = stepping ? TRY(begin_step(id)) : StepPlan{};
  run.stepping = stepping;
  if (!run.off_site) run.passed.reset();
  if (step.done) return true;
  TRY(cpu.arm(plan_for(run, pc, step)));
  const bool foretold = alone_ && alone_->foretold; // announced as it began
  if (stepping && !foretold) TRY(announce(id));
  return false;
}

/// Where steps are foretold: they are begun on the strand, with every other vCPU held, and some are
/// done then. A halt from there on must not lose those.
std::optional<Verdict> Engine::without_entry(VcpuId id) {
  if (!facts_.soft_step) return {};
  const VcpuRun& run = runs_[index(id)];
  const bool steps = run.off_site || run.motion == Motion::step || sites_.placed().stepping;
  if (!alone_) return steps ? std::optional(hold_others(id)) : std::nullopt;
  if (alone_->foretold && alone_->foretold->done) return finish_step(id);
  return {};
}

Verdict Engine::before_run(VcpuId id) {
  VcpuRun& run = runs_[index(id)];
  // Before the look at halting(): a later kick sets it again.
  vmm_.vcpu(id).run_page().immediate_exit = 0;
  bool enter_first = false;
  if (std::exchange(run.completing, false)) {
    catch_exit(id);
    // Whoever will look at this vCPU, clients' rules among them, must find the served exit
    // completed; a free run does it by itself, at the next entry, which a halt from here on must
    // not prevent.
    enter_first = !run.stepping && !vmm_.halting() && run.seen.empty();
    if (!enter_first) {
      auto completed = vmm_.vcpu(id).complete_exit();
      const Verdict verdict = after_exit(id, completed);
      if (verdict != Verdict::enter) return verdict;
      if (judge_seen(id)) return conclude(id);
    }
  }
  if (run.halted && !run.stepping) return Verdict::park;
  if (const auto verdict = without_entry(id)) return *verdict;
  while (std::exchange(enter_first, false) || !vmm_.halting()) {
    auto done = prepare_entry(id);
    if (!done) return crashed(id, done.error().what);
    if (!*done) return Verdict::enter;
    if (const Verdict verdict = finish_step(id); verdict != Verdict::enter) return verdict;
  }
  return Verdict::park;
}

Verdict Engine::after_exit(VcpuId id, const Result<int>& run) {
  VcpuRun& state = runs_[index(id)];
  vmm_.cpu(id).exited();
  if (!run) {
    const int error = run.error().sys_errno;
    if (error == EINTR || error == EAGAIN) return interrupted_exit(id);
    return crashed(id, fmt::format("KVM_RUN failed: errno {} ({})", error, strerrordesc_np(error)));
  }
  const kvm_run& page = vmm_.vcpu(id).run_page();
  switch (page.exit_reason) {
  case KVM_EXIT_DEBUG:
  case KVM_EXIT_INTERNAL_ERROR:
    return on_debug_exit(id);
  case KVM_EXIT_MMIO:
    state.completing = true;
    return is_protected_write(page) ? on_protected_write(id) : Verdict::serve;
  case KVM_EXIT_X86_RDMSR:
  case KVM_EXIT_X86_WRMSR:
    state.completing = true;
    return on_register_exit(id);
  case KVM_EXIT_HYPERCALL:
    state.completing = true;
    return on_hypercall(id);
  case KVM_EXIT_SHUTDOWN:
    return crashed(id, "triple fault");
  case KVM_EXIT_FAIL_ENTRY:
    return crashed(id, fmt::format("the CPU refused to enter the guest: hardware reason {:#x}",
                                   std::uint64_t{page.fail_entry.hardware_entry_failure_reason}));
  case KVM_EXIT_INTR:
  case KVM_EXIT_IRQ_WINDOW_OPEN:
  case KVM_EXIT_SET_TPR:
    return interrupted_exit(id);
  case KVM_EXIT_HLT:
    state.halted = true;
    return state.stepping ? finish_step(id) : Verdict::park;
  default:
    state.completing = true;
    return Verdict::serve;
  }
}

/// KVM_RUN came back without a debug exit. A step may be over all the same: KVM swallows the trap
/// of some instructions that userspace completes.
Verdict Engine::interrupted_exit(VcpuId id) {
  if (!runs_[index(id)].stepping || (alone_ && alone_->foretold)) return Verdict::enter;
  auto progressed = vmm_.cpu(id).step_progressed();
  if (!progressed) return crashed(id, progressed.error().what);
  return *progressed ? finish_step(id) : Verdict::enter;
}

Verdict Engine::on_debug_exit(VcpuId id) {
  auto trap = vmm_.cpu(id).decode_exit();
  if (!trap) return crashed(id, trap.error().what);
  if (*trap) return on_trap(id, **trap);
  auto open = needs_open_pages(id);
  if (open && *open) {
    runs_[index(id)].open = true;
    return hold_others(id);
  }
  const kvm_run& page = vmm_.vcpu(id).run_page();
  constexpr const char* suberrors[] = {"", "cannot emulate the instruction",
                                       "simultaneous exceptions", "exit while delivering an event",
                                       "unexpected exit reason"};
  const std::uint32_t suberror = page.internal.suberror;
  std::string where;
  if (auto pc = vmm_.cpu(id).pc()) where = fmt::format(" at {:#x}", pc->value);
  return crashed(id, fmt::format("KVM internal error {}: {}{}", suberror,
                                 suberror < std::size(suberrors) ? suberrors[suberror] : "unknown",
                                 where));
}

Verdict Engine::on_trap(VcpuId id, const Trap& trap) {
  auto verdict = take_trap(id, trap);
  return verdict ? *verdict : crashed(id, verdict.error().what);
}

Result<Verdict> Engine::take_trap(VcpuId id, const Trap& trap) {
  VcpuRun& run = runs_[index(id)];
  const bool slot_ended = run.end_slot && (trap.slots >> *run.end_slot & 1) != 0;
  const bool foretold = trap.software && TRY(at_foretold_end(id));
  const bool step_ended = trap.stepped || (run.stepping && (slot_ended || foretold));
  bool judged = trap.slots != 0 && TRY(add_slot_hits(id, trap.slots));
  const bool ours = trap.software && TRY(patched_at_pc(id));
  if (ours && TRY(add_execution_hits(id))) judged = true;
  const bool guests = trap.guests || (trap.software && !ours);
  if (guests) TRY(vmm_.cpu(id).pass_to_guest(trap));
  if (step_ended) return take_step(id, judged);
  judge_seen(id);
  // Ours, and nobody's here: a point of other page tables on the same page.
  return (judged || ours) && run.reasons.empty() ? pass_site(id) : conclude(id);
}

/// Nobody wants to stop at the site at pc this time: the vCPU gets off it. A slot is disarmed on
/// this vCPU for a step; what an instruction covers is emulated, or else the instruction must leave
/// memory for a step, with the others held.
Result<Verdict> Engine::pass_site(VcpuId id) {
  runs_[index(id)].off_site = true;
  if (!TRY(patched_at_pc(id))) return Verdict::enter;
  return TRY(emulate_site(id)) ? Verdict::enter : hold_others(id);
}

/// The vCPU is off the site at pc, without having entered the guest. False:
/// nothing has happened, and only a step will do.
Result<bool> Engine::emulate_site(VcpuId id) {
  constexpr std::size_t longest = 15, page = 4096; // bytes of an instruction; pages lie anywhere
  VcpuRun& run = runs_[index(id)];
  const Placed& placed = sites_.placed();
  const bool watched = std::any_of(placed.slots.begin(), placed.slots.end(), [](const auto& slot) {
    return slot && is_watch(slot->kind); // only the CPU's own accesses are seen by it
  });
  if (run.motion != Motion::run || run.open || placed.stepping || watched) return false;
  Cpu& cpu = vmm_.cpu(id);
  const std::uint64_t pc = TRY(cpu.pc()).value;
  Bytes code(longest);
  std::size_t got = 0;
  while (got < longest) {
    auto where = cpu.translate(Address{pc + got});
    if (!where && where.error().code == Code::kernel) return where.error();
    if (!where) break;
    const auto rest =
        std::span(code).subspan(got, std::min(longest - got, page - (pc + got) % page));
    if (vmm_.memory().read(where->physical, rest) != rest.size()) break;
    sites_.hide(where->physical, rest);
    got += rest.size();
  }
  const auto may_write = [this](GuestPhys at, std::size_t length) {
    return !is_protected(at.value) && !vmm_.memory().rom(at) && !sites_.overlap(at, length);
  };
  if (!TRY(cpu.emulate(ByteView(code).first(got), may_write))) return false;
  run.off_site = run.alone = false;
  run.passed.reset();
  return true;
}

/// The next step is done with every other vCPU parked, as a phase of its own.
Verdict Engine::hold_others(VcpuId id) {
  runs_[index(id)].off_site = runs_[index(id)].alone = true;
  vmm_.halt();
  return Verdict::park;
}

/// Whether the breakpoint instruction at pc is one of ours; under a lifted one is the guest's code.
Result<bool> Engine::patched_at_pc(VcpuId id) const {
  Cpu& cpu = vmm_.cpu(id);
  auto where = cpu.translate(Address{TRY(cpu.pc()).value});
  if (!where && where.error().code == Code::kernel) return where.error();
  const bool lifted = where && alone_ && alone_->lifted == where->physical;
  return where && !lifted && sites_.installed_at(where->physical);
}

Verdict Engine::finish_step(VcpuId id) {
  auto verdict = take_step(id, false);
  return verdict ? *verdict : crashed(id, verdict.error().what);
}

/// `at_site`: where it ends has been judged already.
Result<Verdict> Engine::take_step(VcpuId id, bool at_site) {
  VcpuRun& run = runs_[index(id)];
  Cpu& cpu = vmm_.cpu(id);
  if (TRY(cpu.step_lost())) return Verdict::enter;
  const bool complete = TRY(cpu.end_step());
  run.stepping = false;
  if (sites_.placed().stepping || run.open) {
    for (HitWatch& hit : TRY(watches_.compare(id, cpu, run.open))) {
      add_watch_hit(id, std::move(hit));
    }
  }
  judge_seen(id);
  // A repeated instruction is stepped off its site as a whole: its next round is not a new hit.
  if (!complete && run.off_site && run.motion == Motion::run && run.reasons.empty()) {
    return Verdict::enter;
  }
  run.off_site = run.alone = run.open = false;
  // Arriving at a site is hitting it: the step that ends there and the hit are one stop.
  const bool arrived = run.motion == Motion::step || sites_.placed().stepping;
  if (!at_site) run.passed.reset();
  if (arrived && !at_site) at_site = TRY(add_execution_hits(id));
  if (run.motion == Motion::step && !TRY(steps_on(id))) {
    run.reasons.emplace_back(Stepped{});
  }
  if (!run.reasons.empty()) return conclude(id);
  if (!alone_) return at_site ? pass_site(id) : Verdict::enter;
  if (at_site) { // the next one is alone as well
    run.off_site = run.alone = true;
    alone_->foretold.reset();
  }
  return Verdict::park;
}

/// Whether a vCPU that steps through a range has reason to go on. One that waits for an interrupt
/// has not: its next step would not end.
Result<bool> Engine::steps_on(VcpuId id) {
  const VcpuRun& run = runs_[index(id)];
  Cpu& cpu = vmm_.cpu(id);
  if (!run.reasons.empty() || run.halted || !run.range.holds(TRY(cpu.pc()).value)) return false;
  return !cpu.may_wait() || !TRY(cpu.waiting());
}

Verdict Engine::conclude(VcpuId id) {
  if (runs_[index(id)].reasons.empty()) return Verdict::enter;
  vmm_.halt();
  return Verdict::park;
}

Verdict Engine::stop_here(VcpuId id, StopReason why) {
  VcpuRun& run = runs_[index(id)];
  run.reasons.push_back(std::move(why));
  vmm_.halt();
  return before_run(id); // completes the exit first
}

Verdict Engine::crashed(VcpuId id, std::string what) {
  judge_seen(id);
  runs_[index(id)].reasons.emplace_back(Crashed{std::move(what)});
  runs_[index(id)].stepping = false;
  vmm_.halt();
  return Verdict::park;
}

} // namespace kdbg::kvm
