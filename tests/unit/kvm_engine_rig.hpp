#pragma once
/// The engine over scripted x86 vCPUs, and what a test asks of it.
#include "tests/fakes/scripted_vmm.hpp"

#include <catch2/catch.hpp>

namespace kdbg::test::on_scripted_kvm {

using namespace kvm;

/// Every way to debug works, and nothing is emulated.
inline HostFacts hardware() {
  HostFacts facts;
  facts.guest_debug = facts.single_step = facts.hardware_exec = facts.data_watch =
      facts.breakpoint_exit = true;
  facts.exception_payload = facts.block_interrupts = true;
  facts.debug_flags = 0x1f0003;
  return facts;
}

/// As kvm_pvm does.
inline HostFacts emulating() {
  HostFacts facts = hardware();
  facts.breakpoint_exit = facts.data_watch = facts.rearm_step = false;
  facts.breakpoint_internal_error = facts.breakpoint_pc_stays = facts.emulated =
      facts.resume_flag_ignored = true;
  return facts;
}

inline constexpr std::uint64_t entry = ScriptedVmm::entry;
inline Point at(PointKind kind, std::uint64_t address, std::uint64_t length = 1) {
  return {kind, Address{address}, length};
}

struct Rig {
  explicit Rig(const HostFacts& given, std::initializer_list<unsigned> code, std::size_t vcpus = 1)
      : facts(given),
        vmm(facts, code, vcpus),
        engine(vmm, x86_64(), facts, [this](const Event& event) {
          if (const auto* stopped = std::get_if<Stopped>(&event)) stops.push_back(stopped->stop);
          if (const auto* line = std::get_if<LogLine>(&event)) log.push_back(*line);
        }) {
    vmm.engine = &engine;
    vmm.kernel.int3_exits = facts.breakpoint_exit;
    vmm.kernel.int3_fails_emulation = facts.breakpoint_internal_error;
    vmm.kernel.watches_fire = facts.data_watch;
    vmm.kernel.honours_resume_flag = !facts.resume_flag_ignored;
    original = vmm.ram;
  }
  Status resume(Motion motion) { return resume(std::vector<Motion>(vmm.vcpu_count(), motion)); }
  Status resume(std::vector<Motion> motions) {
    auto resumed = engine.resume(Resume{std::move(motions)});
    vmm.drain();
    return resumed;
  }
  template <class Reason>
  const Reason* last(std::size_t vcpu = 0) const {
    if (stops.empty()) return nullptr;
    for (const VcpuStop& stopped : stops.back().vcpus) {
      if (index(stopped.vcpu) != vcpu) continue;
      for (const StopReason& reason : stopped.reasons) {
        if (const auto* found = std::get_if<Reason>(&reason)) return found;
      }
    }
    return nullptr;
  }
  HostFacts facts;
  ScriptedVmm vmm;
  std::vector<Stop> stops;
  std::vector<LogLine> log;
  Engine engine;
  Bytes original;
};

} // namespace kdbg::test::on_scripted_kvm
