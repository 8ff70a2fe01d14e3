// Where a single step ends: at handlers, by hand, by a trap that comes late.
#include "tests/arch_contract/step_rig.hpp"

#include <cerrno>

using namespace kdbg;
using namespace kdbg::kvm;
using kdbg::test::all_works;
using kdbg::test::StepRig;
using x86::CodeMode;

TEST_CASE("an emulated hlt is stepped by hand: asleep behind it, and no shadow in the way") {
  HostFacts facts = all_works();
  facts.emulated = true;
  StepRig rig(CodeMode::bits64, facts);
  rig.code({0xf4});
  rig.kernel.events(rig.fd).interrupt.shadow = 2;
  auto plan = rig.cpu->begin_step();
  REQUIRE(plan);
  CHECK(plan->done);
  CHECK(rig.kernel.mp_state(rig.fd) == KVM_MP_STATE_HALTED);
  CHECK(rig.kernel.events(rig.fd).interrupt.shadow == 0);
  CHECK(rig.read("rip") == 0x101);

  StepRig user(CodeMode::bits64, facts); // there hlt faults
  user.code({0xf4});
  user.sregs().ss.dpl = 3;
  user.cpu->exited();
  CHECK_FALSE(user.cpu->begin_step()->done);
  CHECK(user.kernel.mp_state(user.fd) == KVM_MP_STATE_RUNNABLE);

  StepRig bare(CodeMode::bits64, facts); // no interrupt controller in KVM
  bare.code({0xf4});
  bare.kernel.refused[KVM_SET_MP_STATE] = EINVAL;
  auto without = bare.cpu->begin_step();
  REQUIRE(without);
  CHECK_FALSE(without->done);
  bare.kernel.refused[KVM_SET_MP_STATE] = EIO;
  CHECK_FALSE(bare.cpu->begin_step());
}

namespace {

/// 64-bit interrupt gates at 0x4000: the handler of vector n is at 0x5000 + 16 n.
void set_up_handlers(StepRig& rig) {
  rig.sregs().idt = {0x4000, 16 * 32 - 1, {}};
  for (std::uint64_t n = 0; n < 32; ++n) {
    rig.put(0x4000 + 16 * n, (0x5000 + 16 * n) | 0x08u << 16 | std::uint64_t{0x8e00} << 32);
  }
  rig.cpu->exited();
}

constexpr std::uint64_t handler(unsigned vector) {
  return 0x5000 + 16 * vector;
}

} // namespace

TEST_CASE("the step of an instruction that raises an exception ends at its handler as well") {
  const struct {
    std::initializer_list<unsigned> code;
    std::optional<std::uint64_t> stop_at;
  } cases[] = {{{0x0f, 0x0b}, handler(6)},
               {{0xcd, 0x1f}, handler(31)},
               {{0xcc}, handler(3)},
               {{0xcd, 0x80}, {}}, // beyond the IDT
               {{0x89, 0x03}, {}}, // mov %eax, (%rbx): paging is off
               {{0x90}, {}}};
  for (const auto& each : cases) {
    StepRig rig(CodeMode::bits64);
    set_up_handlers(rig);
    rig.code(each.code);
    CHECK(rig.cpu->begin_step()->ends.front() == each.stop_at);
  }
  HostFacts facts = all_works();
  facts.emulated = true; // there the step ends in the handler by itself
  StepRig emulated(CodeMode::bits64, facts);
  set_up_handlers(emulated);
  emulated.code({0x0f, 0x0b});
  CHECK_FALSE(emulated.cpu->begin_step()->ends.front());
}

TEST_CASE("the step of an access that pages refuse ends at the page fault's handler as well") {
  // 4-level paging: one 2 MiB page at 0, where everything is, and one more at 2 MiB
  const struct {
    std::uint64_t entry;
    bool user, write, faults;
  } cases[] = {{0, false, false, true},     {0x83, false, true, false},
               {0x81, false, false, false}, {0x81, false, true, true}, // CR0.WP
               {0x83, true, false, true},   {0x87, true, true, false},
               {0x85, true, true, true},    {0x85, true, false, false}};
  for (const auto& each : cases) {
    INFO(std::hex << each.entry << each.user << each.write);
    StepRig rig(CodeMode::bits64);
    rig.put(0x8000, std::uint64_t{0x9007});
    rig.put(0x9000, std::uint64_t{0xa007});
    rig.put(0xa000, std::uint64_t{0x87});
    rig.put(0xa008, each.entry);
    rig.sregs().cr0 |= x86::cr0_pg | x86::cr0_wp;
    rig.sregs().cr3 = 0x8000;
    rig.sregs().cr4 = x86::cr4_pae;
    rig.sregs().ss.dpl = each.user ? 3 : 0;
    rig.regs().rbx = 0x200000;
    set_up_handlers(rig);
    if (each.write)
      rig.code({0x89, 0x03}); // mov %eax, (%rbx)
    else
      rig.code({0x8b, 0x03});
    auto plan = rig.cpu->begin_step();
    REQUIRE(plan);
    CHECK(plan->ends.front() == (each.faults ? std::optional(handler(14)) : std::nullopt));
  }
}

TEST_CASE("where traps linger, one that comes before its instruction is no step") {
  HostFacts facts = all_works();
  facts.step_trap_lingers = true;
  StepRig rig(CodeMode::bits64, facts);
  rig.code({0x0f, 0xa2}); // cpuid
  rig.begin();
  rig.debug_exit(1, x86::dr6_fixed | x86::dr6_bs);
  CHECK(rig.decoded().stepped);
  CHECK(*rig.cpu->step_lost());
  rig.begin();
  rig.regs().rip += 2;
  rig.debug_exit(1, x86::dr6_fixed | x86::dr6_bs);
  CHECK_FALSE(*rig.cpu->step_lost());
  CHECK(rig.end());

  StepRig jump(CodeMode::bits64, facts);
  jump.code({0xeb, 0xfe}); // looks as if nothing had happened
  jump.begin();
  jump.cpu->exited();
  CHECK_FALSE(*jump.cpu->step_lost());
}

TEST_CASE("where traps linger, icebp's exit is the guest's though it shows a step") {
  HostFacts facts = all_works();
  facts.step_trap_lingers = true;
  StepRig rig(CodeMode::bits64, facts);
  rig.code({0xf1, 0x90});
  rig.begin();
  rig.debug_exit(1, x86::dr6_fixed | x86::dr6_bs);
  const Trap trap = rig.decoded();
  CHECK_FALSE(trap.stepped);
  CHECK(trap.guests);
}

TEST_CASE(
    "a trap that lingers after a step is kept from the guest, whose own are armed meanwhile") {
  HostFacts facts = all_works();
  facts.step_trap_lingers = true;
  StepRig rig(CodeMode::bits64, facts);
  rig.kernel.debugregs(rig.fd).db[1] = 0x6000;
  rig.kernel.debugregs(rig.fd).dr7 = 0x404;
  rig.code({0x0f, 0xa2});
  rig.begin();
  rig.regs().rip += 2;
  CHECK(rig.end());
  REQUIRE(rig.cpu->arm({}));
  CHECK(rig.debug().control == (x86::debug_enable | x86::debug_use_hw_bp));
  CHECK(rig.debug().debugreg[1] == 0x6000);
  CHECK(rig.debug().debugreg[7] == 0x404);

  const bool moved = GENERATE(false, true);
  const bool hit = GENERATE(false, true);
  if (moved) rig.regs().rip += 1; // then the step is the guest's own
  rig.debug_exit(1, x86::dr6_fixed | x86::dr6_bs | (hit ? 2 : 0));
  const Trap trap = rig.decoded();
  CHECK_FALSE(trap.stepped);
  CHECK(trap.slots == 0);
  CHECK(trap.guests == (moved || hit));
  if (trap.guests) REQUIRE(rig.cpu->pass_to_guest(trap));
  rig.regs().rip += 1;
  rig.cpu->exited();
  REQUIRE(rig.cpu->arm({}));
  CHECK(rig.debug().control == 0); // once is enough
  const auto& events = rig.kernel.events(rig.fd);
  CHECK((events.exception.pending != 0) == trap.guests);
  if (trap.guests) {
    CHECK(events.exception_payload == ((moved ? x86::dr6_bs : 0) | (hit ? 2u : 0u)));
  }
}

TEST_CASE("a vCPU that nobody has stepped has nothing of ours armed") {
  HostFacts facts = all_works();
  facts.step_trap_lingers = true;
  StepRig rig(CodeMode::bits64, facts);
  rig.kernel.debugregs(rig.fd).dr7 = 0x402; // or the guest's own would not be
  REQUIRE(rig.cpu->arm({}));
  CHECK(rig.debug().control == 0);
}

TEST_CASE("a step that a device access cut in two leaves its trap, though it ended by one") {
  HostFacts facts = all_works();
  facts.step_trap_lingers = true;
  StepRig rig(CodeMode::bits64, facts);
  rig.code({0x88, 0x07}); // mov %al, (%rdi)
  rig.begin();
  rig.kernel.page(rig.fd).exit_reason = KVM_EXIT_MMIO;
  rig.cpu->exited();
  rig.regs().rip += 2;
  rig.debug_exit(1, x86::dr6_fixed | x86::dr6_bs);
  CHECK(rig.decoded().stepped);
  CHECK(rig.end());
  REQUIRE(rig.cpu->arm({}));
  CHECK(rig.debug().control == (x86::debug_enable | x86::debug_use_hw_bp));
}

TEST_CASE(
    "icebp in the shadow of mov ss takes the causes that were held back, and is passed once") {
  StepRig rig(CodeMode::bits64);
  rig.kernel.debugregs(rig.fd).dr7 = 0x403; // the guest's own watch, hit by the mov
  rig.code({0x8e, 0xd0, 0xf1, 0x90});       // mov %eax, %ss; icebp
  rig.begin();
  rig.regs().rip += 2;
  rig.debug_exit(1, x86::dr6_fixed | x86::dr6_bs | 1);
  const Trap trap = rig.decoded();
  CHECK(trap.stepped);
  CHECK(trap.guests);
  REQUIRE(rig.cpu->pass_to_guest(trap));
  REQUIRE(rig.cpu->arm({}));
  CHECK(rig.regs().rip == 0x103);
  CHECK(rig.kernel.events(rig.fd).exception_payload == 1);
}

TEST_CASE("where code cannot be read or decoded a step is plain") {
  StepRig rig(CodeMode::bits64);
  rig.regs().rip = 0x20000;
  rig.cpu->exited();
  rig.begin();
  rig.regs().rip += 1;
  CHECK(rig.end());
  CHECK(rig.cpu->accesses()->empty());
}
