// How a run begins, is interrupted, and ends: always on the strand, always with every vCPU parked
// or on its way there.
//
// A run has phases. A vCPU whose pc is at a breakpoint instruction that it has already reported
// steps off it alone, with the instruction out of memory and every other vCPU held, so that none
// can run past. Then all go. Between phases, and for points that leave while the guest runs, the
// vCPUs park without any client hearing of it.
#include "kvm/engine.hpp"

#include <algorithm>

namespace kdbg::kvm {

Result<bool> Engine::instructions_blocked() {
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const VcpuId id{static_cast<std::uint32_t>(i)};
    if (TRY(with_registers(id, [&] { return vmm_.cpu(id).software_points_blocked(); }))) {
      return true;
    }
  }
  return false;
}

Status Engine::place_sites() {
  const bool blocked = TRY(instructions_blocked());
  const auto entry = [this](VcpuId id, unsigned vector) {
    return with_registers(id, [&] { return vmm_.cpu(id).exception_entry(vector); });
  };
  TRY(sites_.place(vmm_.memory(), translator(), entry, blocked));
  TRY(watches_.begin(sites_.placed(), vmm_.memory(), translator(), runs_.size()));
  TRY(intercept());
  return protect();
}

Result<std::optional<GuestPhys>> Engine::instruction_at(VcpuId id) {
  return with_registers(id, [&]() -> Result<std::optional<GuestPhys>> {
    const GuestVirt pc = TRY(vmm_.cpu(id).pc());
    auto where = vmm_.cpu(id).translate(Address{pc.value});
    if (!where && where.error().code == Code::kernel) return where.error();
    if (where && sites_.installed_at(where->physical)) return std::optional(where->physical);
    return std::optional<GuestPhys>{};
  });
}

/// True when this vCPU must first step alone: off a breakpoint instruction, or to one.
Result<bool> Engine::prepare_vcpu(VcpuId id) {
  VcpuRun& run = runs_[index(id)];
  const bool steps = run.motion == Motion::step;
  const GuestVirt pc = TRY(with_registers(id, [&] { return vmm_.cpu(id).pc(); }));
  // A step of a vCPU that waits for an interrupt would not end: it is over where it began.
  bool waits = run.halted;
  if (steps && vmm_.cpu(id).may_wait()) {
    waits = TRY(on_vcpu(id, [&] { return vmm_.cpu(id).waiting(); })) || waits;
  }
  if (steps && waits) {
    run.reasons.emplace_back(Stepped{.waits = true});
    return false;
  }
  run.off_site = run.passed == pc.value || steps;
  return run.off_site && (facts_.soft_step || TRY(instruction_at(id)));
}

Status Engine::prepare_run(const Resume& how) {
  solo_.clear();
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const VcpuId id{static_cast<std::uint32_t>(i)};
    VcpuRun& run = runs_[i];
    run.motion = how.motions[i];
    run.range = how.ranges.empty() ? StepRange{} : how.ranges[i];
    run.off_site = run.stepping = run.alone = run.open = false;
    run.paused.reset();
    run.seen.clear();
    run.reasons.clear();
    if (run.motion != Motion::hold && TRY(prepare_vcpu(id))) solo_.push_back(id);
  }
  return Done{};
}

Status Engine::resume(const Resume& how) {
  if (ended_) return Error{Code::closed, "the guest has ended"};
  if (running_) return Error{Code::running, "the guest is running already"};
  if (how.motions.size() != runs_.size() ||
      (!how.ranges.empty() && how.ranges.size() != runs_.size())) {
    return Error{Code::bad_request, "a resume needs one motion per vCPU, and one range or none"};
  }
  if (std::all_of(how.motions.begin(), how.motions.end(),
                  [](Motion m) { return m == Motion::hold; })) {
    return Error{Code::bad_request, "a resume that holds every vCPU would never end"};
  }
  const bool steps = std::count(how.motions.begin(), how.motions.end(), Motion::step) != 0;
  if (steps && !facts_.steps()) {
    return Error{Code::unsupported, "single-step does not work on this host's KVM"};
  }
  if (const auto status = powered_off(stop_)) {
    ended_ = running_ = true;
    vmm_.post([this, status] { publish_(Gone{*status}); });
    return Done{};
  }
  TRY(place_sites());
  changed_ = place_again_ = false;
  TRY(prepare_run(how));
  TRY(remember_tables());
  vmm_.hide_pause(std::chrono::steady_clock::now() - stopped_at_);
  translations_.clear();
  interrupt_wanted_ = false;
  running_ = true;
  ++stop_.epoch;
  begin_phase();
  return Done{};
}

Status Engine::remember_tables() {
  tables_.clear();
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const VcpuId id{static_cast<std::uint32_t>(i)};
    tables_.push_back(TRY(with_registers(id, [&] { return vmm_.cpu(id).page_tables(); })));
  }
  return Done{};
}

/// Where vCPUs step one after another, the stop of the first waits for those that were to step with
/// it: else the same one would be first each time.
bool Engine::steps_outstanding() const {
  return facts_.soft_step && !interrupt_wanted_ &&
         std::any_of(solo_.begin(), solo_.end(), [this](VcpuId id) {
           const VcpuRun& run = runs_[index(id)];
           return run.motion == Motion::step && run.off_site && run.reasons.empty();
         });
}

void Engine::begin_phase() {
  const bool over = std::any_of(runs_.begin(), runs_.end(),
                                [](const VcpuRun& run) { return !run.reasons.empty(); });
  if (over && !steps_outstanding()) return vmm_.post([this] { parked(); });
  if (!solo_.empty()) {
    const VcpuId id = solo_.back();
    solo_.pop_back();
    auto emulated = with_registers(id, [&] { return emulate_site(id); });
    if (emulated && *emulated) return begin_phase();
    if (auto begun = begin_alone(id); !begun) {
      runs_[index(id)].reasons.emplace_back(Crashed{begun.error().what});
      return vmm_.post([this] { parked(); });
    }
    return vmm_.release(std::span(&id, 1));
  }
  std::vector<VcpuId> all;
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    if (runs_[i].motion != Motion::hold) all.push_back(VcpuId{static_cast<std::uint32_t>(i)});
  }
  vmm_.release(all);
}

Status Engine::begin_alone(VcpuId id) {
  VcpuRun& run = runs_[index(id)];
  if (run.paused) { // the sites may have changed meanwhile
    alone_ = std::exchange(run.paused, {});
    if (alone_->lifted && !sites_.installed_at(*alone_->lifted)) alone_->lifted.reset();
  } else {
    alone_ = Alone{id, TRY(instruction_at(id)), run.open, {}};
  }
  if (alone_->open) TRY(vmm_.protect({}));
  if (alone_->lifted) sites_.lift(vmm_.memory(), *alone_->lifted);
  return facts_.soft_step ? foretell(id) : Status{Done{}};
}

/// For watches by stepping: what the instruction at pc is about to touch.
Status Engine::announce(VcpuId id) {
  const bool open = runs_[index(id)].open;
  if (!sites_.placed().stepping && !open) return Done{};
  Cpu& cpu = vmm_.cpu(id);
  const auto accesses = TRY(cpu.accesses());
  return watches_.announce(id, cpu, accesses, open);
}

/// A step that KVM cannot do: breakpoint instructions where it will end. With all others held
/// nothing else meets them.
Status Engine::foretell(VcpuId id) {
  if (!alone_->foretold) {
    // The announcement first: a jump is carried out by begin_step.
    auto step = on_vcpu(id, [&]() -> Result<StepPlan> {
      TRY(announce(id));
      return vmm_.cpu(id).begin_step();
    });
    if (!step) return step.error();
    alone_->foretold = *std::move(step);
  }
  for (const auto& end : alone_->foretold->ends) {
    if (!end) continue;
    auto where = on_vcpu(id, [&] { return vmm_.cpu(id).translate(Address{*end}); });
    if (!where && where.error().code == Code::kernel) return where.error();
    // Not there: the guest's handler of the fault brings it, or the step ends by another way.
    auto placed = where ? sites_.extend(vmm_.memory(), where->physical) : Status{Done{}};
    if (!placed && placed.error().code != Code::memory_fault) return placed.error();
  }
  return Done{};
}

/// Memory as it is for all vCPUs together.
Status Engine::end_alone(const Alone& alone) {
  sites_.retract(vmm_.memory());
  Status restored = alone.lifted ? sites_.restore(vmm_.memory(), *alone.lifted) : Status{Done{}};
  if (!alone.open) return restored;
  auto again = vmm_.protect(protected_);
  if (!again) protected_.clear(); // they are open, and the next run protects them
  return restored ? again : restored;
}

/// A hit that was on its way when its last owner took the point out: nobody is left to hear of it,
/// and what else has come to this pc meanwhile is yet to be hit.
void Engine::drop_stale_hits() {
  const auto stale = [this](const StopReason& reason) {
    const Point* point = point_of(reason);
    return point != nullptr && !rules_.knows(*point);
  };
  const auto hit = [](const StopReason& reason) { return point_of(reason) != nullptr; };
  for (VcpuRun& run : runs_) {
    if (std::erase_if(run.reasons, stale) == 0) continue;
    if (std::none_of(run.reasons.begin(), run.reasons.end(), hit)) run.passed.reset();
  }
}

void Engine::finish_phase() {
  if (changed_) drop_stale_hits();
  if (const auto alone = std::exchange(alone_, {})) {
    VcpuRun& run = runs_[index(alone->vcpu)];
    if (auto ended = end_alone(*alone); !ended) {
      run.reasons.emplace_back(Crashed{ended.error().what});
    }
    if (run.off_site) { // paused before its step was done
      solo_.push_back(alone->vcpu);
      if (alone->foretold) run.paused = alone;
    }
  }
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const VcpuId id{static_cast<std::uint32_t>(i)};
    if (runs_[i].alone && std::find(solo_.begin(), solo_.end(), id) == solo_.end()) {
      solo_.push_back(id);
    }
  }
}

/// The sites anew in the middle of a run, every vCPU being parked.
Status Engine::replace_sites() {
  changed_ = place_again_ = false;
  running_ = false; // registers and page tables may be read
  auto placed = place_sites();
  running_ = true;
  translations_.clear();
  if (!placed) return placed;
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const VcpuId id{static_cast<std::uint32_t>(i)};
    const VcpuRun& run = runs_[i];
    const bool queued = std::find(solo_.begin(), solo_.end(), id) != solo_.end();
    if (run.motion == Motion::hold || !run.off_site || queued) continue;
    if (TRY(instruction_at(id))) solo_.push_back(id); // one has come to where it steps off
  }
  return Done{};
}

void Engine::look(bool idle) {
  if (!running_ || ended_) return;
  tell_log(true);
  halt_check_ = idle;
  place_again_ =
      !idle && (sites_.unsettled() || watches_.unsettled() || sites_.overwritten(vmm_.memory()));
  if (halt_check_ || place_again_) vmm_.halt();
}

Result<bool> Engine::all_wait_for_ever() {
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const VcpuId id{static_cast<std::uint32_t>(i)};
    if (runs_[i].motion == Motion::hold || runs_[i].halted) continue;
    if (!TRY(on_vcpu(id, [&] { return vmm_.cpu(id).waits_for_ever(); }))) return false;
  }
  return true;
}

void Engine::parked() {
  if (!running_) return;
  finish_phase();
  if (steps_outstanding()) return begin_phase();
  auto stopped = gather();
  if (!stopped.empty()) return publish_stop(std::move(stopped));
  // From here on a pause that no client asked for.
  if (changed_ || place_again_) {
    if (auto replaced = replace_sites(); !replaced) {
      std::vector<VcpuStop> failed;
      failed.push_back({interrupted_vcpu(), {Crashed{replaced.error().what}}});
      return publish_stop(std::move(failed));
    }
  }
  begin_phase();
}

VcpuId Engine::interrupted_vcpu() const {
  // The vCPU that the last stop was about, unless it was held; else the first that ran.
  const VcpuId last = stop_.vcpus.front().vcpu;
  if (runs_[index(last)].motion != Motion::hold) return last;
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    if (runs_[i].motion != Motion::hold) return VcpuId{static_cast<std::uint32_t>(i)};
  }
  return last;
}

std::vector<VcpuStop> Engine::gather() {
  std::vector<VcpuStop> out;
  bool all_halted = solo_.empty();
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const VcpuId id{static_cast<std::uint32_t>(i)};
    VcpuRun& run = runs_[i];
    if (run.motion != Motion::hold) all_halted = all_halted && run.halted;
    if (!run.reasons.empty()) out.push_back({id, std::move(run.reasons)});
    run.reasons.clear();
  }
  // What a client asked to step comes first, then what was hit.
  std::stable_partition(out.begin(), out.end(), [&](const VcpuStop& s) {
    return runs_[index(s.vcpu)].motion == Motion::step;
  });
  if (out.empty() && interrupt_wanted_) {
    out.push_back({interrupted_vcpu(), {Interrupted{interrupted_by_}}});
  }
  if (out.empty() && std::exchange(halt_check_, false) && !all_halted) {
    auto dead = all_wait_for_ever();
    if (!dead) out.push_back({interrupted_vcpu(), {Crashed{dead.error().what}}});
    all_halted = dead && *dead;
  }
  if (out.empty() && all_halted) out.push_back({interrupted_vcpu(), {Halted{}}});
  return out;
}

void Engine::publish_stop(std::vector<VcpuStop> vcpus) {
  running_ = false;
  solo_.clear();
  stopped_at_ = std::chrono::steady_clock::now();
  tell_log(true);
  stop_.vcpus = std::move(vcpus);
  publish_(Stopped{stop_});
}

void Engine::interrupt(std::optional<ClientId> by) {
  if (!running_ || interrupt_wanted_) return;
  interrupt_wanted_ = true;
  interrupted_by_ = by;
  vmm_.halt();
}

Status Engine::reset() {
  if (running_) return Error{Code::running, "the guest is running; interrupt it first"};
  TRY(withdraw());
  TRY(vmm_.reset());
  sites_.forget_memory();
  for (VcpuRun& run : runs_) {
    run = VcpuRun{};
  }
  translations_.clear();
  ++stop_.epoch;
  publish_stop({{VcpuId{0}, {AtEntry{}}}});
  return Done{};
}

Status Engine::power_off() {
  if (running_) return Error{Code::running, "the guest is running; interrupt it first"};
  if (std::exchange(ended_, true)) return Error{Code::closed, "the guest has ended"};
  vmm_.post([this] { publish_(Gone{0}); });
  return Done{};
}

/// As far as it goes: one failure leaves nothing else in the guest. The first is told.
Status Engine::withdraw() {
  Status outcome = Done{};
  const auto note = [&](Status done) {
    const bool good = bool(done);
    if (!good && outcome) outcome = std::move(done);
    return good;
  };
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const VcpuId id{static_cast<std::uint32_t>(i)};
    note(on_vcpu(id, [&] { return vmm_.cpu(id).arm(DebugPlan{}); }));
  }
  note(sites_.withdraw(vmm_.memory()));
  if (!protected_.empty() && note(vmm_.protect({}))) protected_.clear();
  if (intercepted_ != Intercepts{} && note(vmm_.intercept({}))) intercepted_ = Intercepts{};
  return outcome;
}

} // namespace kdbg::kvm
