// What the probe finds out on KVMs that do all, lack something, or only say that they have it.
#include "kvm/arch/arm64/probe.hpp"
#include "tests/arch_contract/arm64_rig.hpp"

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::test;

namespace {

struct Host {
  Bytes ram = Bytes(0x10000);
  ScriptedArm64Kernel kernel{ram};
  HostFacts facts() {
    auto found = arm64::probe(kernel);
    REQUIRE(found);
    return *found;
  }
};
bool notes(const HostFacts& facts, std::string_view words) {
  return std::any_of(facts.notes.begin(), facts.notes.end(), [&](const std::string& note) {
    return note.find(words) != std::string::npos;
  });
}

} // namespace

TEST_CASE("arm64 probe: a KVM that does all has nothing to note") {
  Host host;
  const HostFacts facts = host.facts();
  for (const std::string& note : facts.notes)
    CHECK(note.empty());
  CHECK(facts.guest_debug);
  CHECK(facts.debug_flags == 0x30003);
  CHECK(facts.single_step);
  CHECK_FALSE(facts.rearm_step);
  CHECK(facts.breakpoint_exit);
  CHECK(facts.hardware_exec);
  CHECK(facts.resume_flag_ignored);
  CHECK(facts.data_watch);
  CHECK(facts.watch_before);
  CHECK(facts.read_slots);
  CHECK(facts.block_interrupts);
  CHECK_FALSE(facts.mmio_step_squashed);
  CHECK(facts.exec_slots == 6);
  CHECK(facts.watch_slots == 4);
  CHECK(facts.loops_per_second > 0);
  CHECK(facts.steps_per_second > 0);
  CHECK_FALSE(facts.sve);
}

TEST_CASE("arm64 probe: what does not work is told with the kernel's word for it") {
  {
    Host host;
    host.kernel.steps = false;
    const HostFacts facts = host.facts();
    CHECK_FALSE(facts.single_step);
    CHECK_FALSE(facts.block_interrupts);
    CHECK(notes(facts, "single step on arm64 KVM: KVM_CAP_SET_GUEST_DEBUG2 is 0x30003"));
  }
  {
    Host host;
    host.kernel.brk_exits = false;
    const HostFacts facts = host.facts();
    CHECK_FALSE(facts.breakpoint_exit);
    CHECK(notes(facts, "software breakpoints on arm64 KVM"));
  }
  {
    Host host;
    host.kernel.exec_fires = false;
    const HostFacts facts = host.facts();
    CHECK_FALSE(facts.hardware_exec);
    CHECK(notes(facts, "hardware breakpoints on arm64 KVM: KVM_CAP_GUEST_DEBUG_HW_BPS is 6"));
  }
  {
    Host host;
    host.kernel.watches_fire = false;
    const HostFacts facts = host.facts();
    CHECK_FALSE(facts.data_watch);
    CHECK(notes(facts, "hardware watchpoints on arm64 KVM: KVM_CAP_GUEST_DEBUG_HW_WPS is 4"));
    CHECK(notes(facts, "watches single-step every instruction"));
  }
  {
    Host host;
    host.kernel.masks_hold = false;
    const HostFacts facts = host.facts();
    CHECK(facts.single_step);
    CHECK_FALSE(facts.block_interrupts);
    CHECK(notes(facts, "a step may end in an interrupt handler"));
  }
}

TEST_CASE("arm64 probe: no pairs, no debug interface, no KVM for guests at all") {
  Host none;
  none.kernel.capabilities[119] = none.kernel.capabilities[120] = 0;
  CHECK_FALSE(none.facts().hardware_exec);
  CHECK(notes(none.facts(), "KVM_CAP_GUEST_DEBUG_HW_WPS is 0"));
  Host old;
  old.kernel.capabilities[23] = 0;
  CHECK_FALSE(old.facts().guest_debug);
  CHECK(notes(old.facts(), "no breakpoint and no step works"));
  Host broken;
  broken.kernel.refused_requests = {arm64::vcpu_init};
  CHECK(notes(broken.facts(), "probe guest: refused"));
  Host deaf; // cannot send an interrupt
  deaf.kernel.refused_requests = {KVM_IRQ_LINE};
  CHECK(notes(deaf.facts(), "blocked interrupts: could not be tried"));
}

TEST_CASE("arm64 probe: the guest's vector length") {
  Host host;
  host.kernel.capabilities[170] = 1;
  const HostFacts facts = host.facts();
  CHECK(facts.sve);
  CHECK(facts.sve_bytes == 32);
  Host broken;
  broken.kernel.capabilities[170] = 1;
  broken.kernel.refused_requests = {arm64::vcpu_finalize};
  CHECK_FALSE(broken.facts().sve);
  CHECK(notes(broken.facts(), "SVE on arm64 KVM: KVM_CAP_ARM_SVE is 1; self-test: refused"));
}

TEST_CASE("arm64 probe: a guest on a CPU of narrow physical addresses is asked for as such") {
  Host host;
  host.kernel.capabilities[165] = 36;
  CHECK(host.facts().single_step);
  CHECK(host.kernel.vm_type == 36);
  host.kernel.capabilities[165] = 48;
  CHECK(host.facts().single_step);
  CHECK(host.kernel.vm_type == 0);
}
