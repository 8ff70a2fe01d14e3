// Which points an exit hits, as reasons to stop: execution points at a vCPU's pc, watches by the
// debug registers that fired. On vCPU threads, like exits.cpp.
#include "kvm/engine.hpp"

#include <utility>
#include <variant>

namespace kdbg::kvm {

Result<bool> Engine::executes_at(const Site& site, Cpu& cpu, std::uint64_t pc) const {
  if (!site.executes() || site.placement.method == Placement::Method::pending) return false;
  const Space& space = site.point.at.space;
  const bool patched = site.placement.method == Placement::Method::instruction;
  if (space.kind == Space::Kind::current && !patched) return site.placement.linear == pc;
  if (space.kind == Space::Kind::root) {
    return site.point.at.value == pc && TRY(cpu.root()) == space.root;
  }
  const std::uint64_t physical = patched ? site.placement.physical.value : site.point.at.value;
  constexpr std::uint64_t in_page = 0xfff; // the same on both sides, and no walk for most sites
  if (((physical ^ pc) & in_page) != 0) return false;
  auto where = cpu.translate(Address{pc});
  if (!where && where.error().code == Code::kernel) return where.error();
  return where && where->physical.value == physical;
}

/// Every execution point at pc is judged, however it is placed; a caught exception when its error
/// code is wanted. True when there was such a point.
Result<bool> Engine::add_execution_hits(VcpuId id) {
  Cpu& cpu = vmm_.cpu(id);
  VcpuRun& run = runs_[index(id)];
  const GuestVirt pc = TRY(cpu.pc());
  bool any = false;
  for (const Site& site : sites_.placed().sites) {
    if (!TRY(executes_at(site, cpu, pc.value))) continue;
    any = true;
    if (site.point.kind != PointKind::exception) {
      judge(id, HitPoint{site.point});
    } else if (auto caught = TRY(exception_at(id, site.point))) {
      judge(id, *std::move(caught));
    }
  }
  if (!any) return false;
  // also where nobody wants to stop: this arrival has been judged
  if (run.passed != pc.value) run.passed_slots = 0; // those are of an earlier round
  run.passed = pc.value;
  return true;
}

/// True when the vCPU is at an execution point, or before the access that was told.
Result<bool> Engine::add_slot_hits(VcpuId id, std::uint32_t slots) {
  bool executed = false, before = false;
  for (const Site& site : sites_.placed().sites) {
    if (site.placement.method != Placement::Method::slots) continue;
    bool hit = false;
    for (const unsigned slot : site.placement.slots) {
      hit = hit || (slots >> slot & 1) != 0;
    }
    if (!hit) continue;
    if (site.executes()) {
      executed = true;
      continue;
    }
    if (facts_.watch_before) {
      before = true;
      VcpuRun& run = runs_[index(id)];
      const std::uint64_t pc = TRY(vmm_.cpu(id).pc()).value;
      if (run.passed != pc) run.passed_slots = 0;
      run.passed = pc;
      run.passed_slots |= slots;
    }
    if (auto watch = watches_.fired(site.point, facts_.read_slots)) {
      add_watch_hit(id, *std::move(watch));
    }
  }
  return (executed && TRY(add_execution_hits(id))) || before;
}

/// Some instructions touch a watch in several accesses: one hit, from the first value to the last.
void Engine::add_watch_hit(VcpuId id, HitWatch hit) {
  for (StopReason& reason : runs_[index(id)].seen) {
    auto* known = std::get_if<HitWatch>(&reason);
    if (known == nullptr || known->point != hit.point) continue;
    if (known->address == hit.address || known->before.size() == hit.point.length) {
      known->after = std::move(hit.after);
      return;
    }
    if (known->address + known->before.size() == hit.address) {
      known->before.insert(known->before.end(), hit.before.begin(), hit.before.end());
      known->after.insert(known->after.end(), hit.after.begin(), hit.after.end());
      return;
    }
  }
  runs_[index(id)].seen.emplace_back(std::move(hit));
}

} // namespace kdbg::kvm
