// The vCPUs' side of the engine: what to arm before KVM_RUN, and what an exit means. On vCPU
// threads; reads the placed sites, which change only while every vCPU is parked.
#include "kvm/engine.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>

namespace kdbg::kvm {

DebugPlan Engine::plan_for(const VcpuRun& run, std::uint64_t pc) const {
  const Placed& placed = sites_.placed();
  const bool asked = run.off_site || run.motion == Motion::step;
  DebugPlan plan{asked || placed.stepping, placed.instructions && facts_.int3_exit, asked && facts_.block_interrupts,
                 placed.slots};
  if (plan.step) {
    // A slot at pc would fire before the step, and again for ever where KVM ignores RF.
    for (auto& slot : plan.slots) {
      if (slot && slot->kind == PointKind::hardware && slot->address == pc) slot.reset();
    }
  }
  return plan;
}

Status Engine::prepare_entry(VcpuId id) {
  VcpuRun& run = runs_[index(id)];
  Cpu& cpu = vmm_.cpu(id);
  const bool stepping = run.off_site || run.motion == Motion::step || sites_.placed().stepping;
  const std::uint64_t pc = stepping ? TRY(cpu.pc()).value : 0;
  TRY(cpu.arm(plan_for(run, pc)));
  run.stepping = stepping;
  if (!run.off_site) run.passed.reset();
  if (!stepping) return Done{};
  TRY(cpu.begin_step());
  if (sites_.placed().stepping) run.touched = TRY(cpu.accesses());
  return Done{};
}

Verdict Engine::before_run(VcpuId id) {
  VcpuRun& run = runs_[index(id)];
  vmm_.vcpu(id).run_page().immediate_exit = 0;  // before the look at halting(): a later kick sets it again
  if (run.completing) {
    // Whoever will look at this vCPU must find the served exit completed; a free run does it by itself.
    const bool settle = run.stepping || vmm_.halting();
    run.completing = false;
    if (settle) {
      auto completed = vmm_.vcpu(id).complete_exit();
      const Verdict verdict = after_exit(id, completed);
      if (verdict != Verdict::enter) return verdict;
    }
  }
  if (run.halted && !run.stepping) return Verdict::park;
  if (vmm_.halting()) return Verdict::park;
  if (auto prepared = prepare_entry(id); !prepared) return crashed(id, prepared.error().what);
  return Verdict::enter;
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
    case KVM_EXIT_DEBUG: case KVM_EXIT_INTERNAL_ERROR:
      return on_debug_exit(id);
    case KVM_EXIT_SHUTDOWN:
      return crashed(id, "triple fault");
    case KVM_EXIT_FAIL_ENTRY:
      return crashed(id, fmt::format("the CPU refused to enter the guest: hardware reason {:#x}",
                                     std::uint64_t{page.fail_entry.hardware_entry_failure_reason}));
    case KVM_EXIT_INTR: case KVM_EXIT_IRQ_WINDOW_OPEN: case KVM_EXIT_SET_TPR:
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
  if (!runs_[index(id)].stepping) return Verdict::enter;
  auto progressed = vmm_.cpu(id).step_progressed();
  if (!progressed) return crashed(id, progressed.error().what);
  return *progressed ? finish_step(id) : Verdict::enter;
}

Verdict Engine::on_debug_exit(VcpuId id) {
  auto trap = vmm_.cpu(id).decode_exit();
  if (!trap) return crashed(id, trap.error().what);
  if (*trap) return on_trap(id, **trap);
  const kvm_run& page = vmm_.vcpu(id).run_page();
  constexpr const char* suberrors[] = {"", "cannot emulate the instruction at pc", "simultaneous exceptions",
                                       "exit while delivering an event", "unexpected exit reason"};
  const std::uint32_t suberror = page.internal.suberror;
  return crashed(id, fmt::format("KVM internal error {}: {}", suberror,
                                 suberror < std::size(suberrors) ? suberrors[suberror] : "unknown"));
}

Verdict Engine::on_trap(VcpuId id, const Trap& trap) {
  VcpuRun& run = runs_[index(id)];
  if (trap.slots != 0) add_slot_hits(id, trap.slots);
  bool guests = trap.guests;
  if (trap.software && !add_execution_hits(id)) guests = true;
  if (guests) {
    if (auto passed = vmm_.cpu(id).pass_to_guest(trap); !passed) return crashed(id, passed.error().what);
  }
  if (trap.stepped) return finish_step(id);
  if (run.stepping && !guests && !run.reasons.empty()) run.off_site = false;
  return conclude(id);
}

bool Engine::executes_at(const Site& site, Cpu& cpu, std::uint64_t pc) const {
  if (is_watch(site.point.kind)) return false;
  const Space& space = site.point.at.space;
  if (space.kind == Space::Kind::current && site.placement.method != Placement::Method::instruction) {
    return site.point.at.value == pc;
  }
  if (space.kind == Space::Kind::root) {
    auto root = cpu.root();
    return site.point.at.value == pc && root && *root == space.root;
  }
  auto where = cpu.translate(Address{pc});
  if (!where) return false;
  return site.placement.method == Placement::Method::instruction ? where->physical == site.placement.physical
                                                                  : where->physical.value == site.point.at.value;
}

/// Every execution point at pc becomes a reason, however it is placed. True when there was one.
bool Engine::add_execution_hits(VcpuId id) {
  Cpu& cpu = vmm_.cpu(id);
  auto pc = cpu.pc();
  if (!pc) return false;
  bool any = false;
  for (const Site& site : sites_.placed().sites) {
    if (site.placement.method == Placement::Method::pending || !executes_at(site, cpu, pc->value)) continue;
    runs_[index(id)].reasons.emplace_back(HitPoint{site.point});
    any = true;
  }
  return any;
}

void Engine::add_slot_hits(VcpuId id, std::uint32_t slots) {
  bool executed = false;
  for (const Site& site : sites_.placed().sites) {
    if (site.placement.method != Placement::Method::slots) continue;
    bool hit = false;
    for (const unsigned slot : site.placement.slots) hit = hit || (slots >> slot & 1) != 0;
    if (!hit) continue;
    if (!is_watch(site.point.kind)) executed = true;
    else if (auto watch = watches_.fired(vmm_.cpu(id), site.point)) runs_[index(id)].reasons.emplace_back(*watch);
  }
  if (executed) add_execution_hits(id);
}

Verdict Engine::finish_step(VcpuId id) {
  VcpuRun& run = runs_[index(id)];
  Cpu& cpu = vmm_.cpu(id);
  if (auto ended = cpu.end_step(); !ended) return crashed(id, ended.error().what);
  run.stepping = false;
  run.passed.reset();
  if (sites_.placed().stepping) {
    for (HitWatch& hit : watches_.compare(cpu, run.touched)) run.reasons.emplace_back(std::move(hit));
  }
  const bool alone = lifted_.has_value();
  run.off_site = false;
  if (run.motion == Motion::step) run.reasons.emplace_back(Stepped{});
  // Arriving at a site is hitting it: the step that ends there and the hit are one stop.
  if (run.motion == Motion::step || sites_.placed().stepping) add_execution_hits(id);
  if (run.reasons.empty() && alone) return Verdict::park;
  return conclude(id);
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
  return before_run(id);  // completes the exit first
}

Verdict Engine::crashed(VcpuId id, std::string what) {
  runs_[index(id)].reasons.emplace_back(Crashed{std::move(what)});
  runs_[index(id)].stepping = false;
  vmm_.halt();
  return Verdict::park;
}

}  // namespace kdbg::kvm
