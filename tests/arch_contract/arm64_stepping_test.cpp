// Single steps of arm64: interrupts held off unseen, load-exclusive loops, exits in the middle.
#include "tests/arch_contract/arm64_rig.hpp"

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::test;

namespace {

constexpr std::uint64_t irq_vector = Arm64Rig::vectors + 0x280,
                        sync_vector = Arm64Rig::vectors + 0x200;
constexpr std::uint64_t i_and_f = 0xc0, i_alone = 0x80, el1h = 5;

} // namespace

TEST_CASE("70: with an interrupt pending a step stays in line, and the guest's PSTATE is shown") {
  Arm64Rig rig;
  rig.kernel.put(Arm64Rig::entry, {a64::nop, a64::add_x1_1, a64::nop});
  rig.kernel.irq_pending(rig.fd) = true;
  for (std::uint64_t n = 1; n <= 3; ++n) {
    CHECK(rig.step() == 1);
    CHECK(rig.get(reg::pc) == Arm64Rig::entry + 4 * n);
    CHECK(rig.get(reg::pstate) == (el1h | i_and_f)); // ours, between steps
    CHECK(rig.read("cpsr") == el1h);
  }
  REQUIRE(rig.cpu->arm({}));
  CHECK(rig.get(reg::pstate) == el1h);
  rig.kernel.put(irq_vector, {a64::wfi});
  REQUIRE_FALSE(rig.vcpu.run()); // asleep in its handler
  CHECK(rig.get(reg::elr_el1) == Arm64Rig::entry + 12);
  CHECK(rig.get(reg::spsr_el1) == el1h);
}

TEST_CASE("70: without masking the step ends at the handler, which sees nothing of it") {
  Arm64Rig rig;
  rig.kernel.put(Arm64Rig::entry, {a64::nop});
  rig.kernel.irq_pending(rig.fd) = true;
  rig.step(false);
  CHECK(rig.get(reg::pc) == irq_vector);
  CHECK(rig.get(reg::elr_el1) == Arm64Rig::entry);
  CHECK(rig.get(reg::spsr_el1) == el1h); // no SS
}

TEST_CASE("70: a guest that steps itself keeps the SS that is its own") {
  Arm64Rig rig;
  rig.set(reg::mdscr_el1, 1);
  rig.kernel.put(Arm64Rig::entry, {a64::nop});
  rig.kernel.irq_pending(rig.fd) = true;
  rig.step(false);
  CHECK(rig.get(reg::spsr_el1) == (el1h | arm64::pstate_ss));
}

TEST_CASE("70: MRS DAIF reads what the guest has set") {
  for (const std::uint64_t own : {std::uint64_t{0}, i_alone, std::uint64_t{0x40}, i_and_f}) {
    Arm64Rig rig;
    rig.set(reg::pstate, el1h | own | 0x100); // and A
    rig.kernel.put(Arm64Rig::entry, {a64::read_daif_x1, a64::nop});
    rig.step();
    CHECK(rig.get(reg::x(1)) == (own | 0x100));
    CHECK(rig.read("cpsr") == (el1h | own | 0x100));
  }
}

TEST_CASE("70: MSR DAIFSet, DAIFClr and DAIF change what the guest has, not what we hold") {
  Arm64Rig rig;
  rig.kernel.put(Arm64Rig::entry, {a64::set_irq, a64::nop, a64::clear_irq, a64::nop,
                                   a64::write_daif_x1, a64::read_daif_x1, a64::nop});
  rig.set(reg::x(1), 0x40);
  rig.kernel.irq_pending(rig.fd) = true;
  const std::uint64_t want[] = {i_alone, i_alone, 0, 0, 0x40, 0x40};
  for (std::size_t n = 0; n < std::size(want); ++n) {
    INFO("after " << n);
    CHECK(rig.step() == 1);
    CHECK(rig.get(reg::pc) == Arm64Rig::entry + 4 * (n + 1));
    CHECK(rig.read("cpsr") == (el1h | want[n]));
  }
  CHECK(rig.get(reg::x(1)) == 0x40);
  REQUIRE(rig.cpu->arm({}));
  CHECK(rig.get(reg::pstate) == (el1h | 0x40));
}

TEST_CASE("70: ERET brings the guest's own PSTATE") {
  for (const std::uint64_t own : {std::uint64_t{0}, i_alone}) {
    Arm64Rig rig;
    rig.set(reg::elr_el1, 0x1800);
    rig.set(reg::spsr_el1, own); // to EL0
    rig.kernel.put(Arm64Rig::entry, {a64::eret});
    rig.kernel.put(0x1800, {a64::nop});
    rig.step();
    CHECK(rig.get(reg::pc) == 0x1800);
    CHECK(rig.get(reg::pstate) == own);
    CHECK(rig.read("cpsr") == own);
    rig.step(); // masked again
    CHECK(rig.read("cpsr") == own);
    REQUIRE(rig.cpu->arm({}));
    CHECK(rig.get(reg::pstate) == own);
  }
}

TEST_CASE("70: an exception saves the guest's masks, not ours") {
  const struct {
    std::uint32_t code;
    std::uint64_t back;
  } cases[] = {{a64::svc_0, Arm64Rig::entry + 4}, {0, Arm64Rig::entry}}; // a call, an undefined one
  for (const auto& each : cases) {
    for (const std::uint64_t own : {std::uint64_t{0}, i_alone}) {
      Arm64Rig rig;
      rig.set(reg::pstate, el1h | own);
      rig.kernel.put(Arm64Rig::entry, {each.code});
      rig.kernel.put(sync_vector, {a64::nop});
      rig.kernel.irq_pending(rig.fd) = true;
      CHECK(rig.step() == 1);
      CHECK(rig.get(reg::pc) == sync_vector);
      CHECK(rig.get(reg::elr_el1) == each.back);
      CHECK(rig.get(reg::spsr_el1) == (el1h | own));
      CHECK(rig.read("cpsr") == (el1h | 0x3c0)); // of the exception entry
      REQUIRE(rig.cpu->arm({}));
      CHECK(rig.get(reg::pstate) == (el1h | 0x3c0));
    }
  }
}

TEST_CASE("70: an exception to the guest's hypervisor is put right there") {
  Arm64Rig rig;
  rig.kernel.give_el2(rig.fd);
  rig.set(reg::vbar_el2, 0x6000);
  rig.set(reg::spsr_el1, i_and_f);
  rig.kernel.put(Arm64Rig::entry, {0xd4000002}); // hvc #0
  REQUIRE(rig.cpu->begin_step());
  REQUIRE(rig.cpu->arm({.step = true, .block_interrupts = true}));
  rig.set(reg::pc, 0x6400);
  rig.set(reg::pstate, 0x3c9);
  rig.set(reg::elr_el2, Arm64Rig::entry + 4);
  rig.set(reg::spsr_el2, el1h | i_and_f);
  rig.debug_exit(0xca000022);
  CHECK(rig.decoded().stepped);
  REQUIRE(rig.cpu->end_step());
  CHECK(rig.get(reg::spsr_el2) == el1h);
  CHECK(rig.get(reg::spsr_el1) == i_and_f);
  CHECK(rig.read("cpsr") == 0x3c9);
}

TEST_CASE("70: what touches the masks is left alone when we hold none") {
  Arm64Rig rig;
  rig.set(reg::pstate, el1h | i_alone);
  rig.kernel.put(Arm64Rig::entry, {a64::read_daif_x1, a64::clear_irq, a64::set_irq});
  for (int i = 0; i < 3; ++i)
    rig.step(false);
  CHECK(rig.get(reg::x(1)) == i_alone);
  CHECK(rig.get(reg::pstate) == (el1h | i_alone));
  for (const std::uint64_t id : rig.kernel.written)
    CHECK(id == 0); // nothing was
}

TEST_CASE("70: a 32-bit kernel, whose instructions are not decoded, keeps its masks") {
  Arm64Rig rig;
  constexpr std::uint64_t supervisor = 0x13;
  rig.set(reg::pstate, supervisor);
  REQUIRE(rig.cpu->begin_step());
  REQUIRE(rig.cpu->arm({.step = true, .block_interrupts = true}));
  CHECK(rig.get(reg::pstate) == supervisor);
}

TEST_CASE("70: code in the vectors that falls through is no exception") {
  for (const std::uint64_t back : {std::uint64_t{0x9000}, sync_vector}) {
    Arm64Rig rig;
    rig.set(reg::pc, sync_vector - 4);
    rig.set(reg::spsr_el1, 0x3c5);
    rig.set(reg::elr_el1, back);
    rig.kernel.put(sync_vector - 4, {a64::add_x1_1});
    rig.step();
    CHECK(rig.get(reg::pc) == sync_vector);
    CHECK(rig.get(reg::spsr_el1) == 0x3c5);
    CHECK(rig.read("cpsr") == el1h);
  }
}

TEST_CASE("70: cpsr written while we hold the masks is the guest's from then on") {
  Arm64Rig rig;
  rig.kernel.put(Arm64Rig::entry, {a64::add_x1_1, a64::add_x1_1});
  rig.step();
  REQUIRE(rig.write("cpsr", 0x60000000 | i_alone | el1h));
  CHECK(rig.get(reg::pstate) == (0x60000000 | i_and_f | el1h));
  CHECK(rig.read("cpsr") == (0x60000000 | i_alone | el1h));
  rig.step();
  REQUIRE(rig.cpu->arm({}));
  CHECK(rig.get(reg::pstate) == (0x60000000 | i_alone | el1h));
}

TEST_CASE("70: the half of PSTATE that cpsr does not show is kept") {
  Arm64Rig rig;
  rig.set(reg::pstate, 1ull << 32 | el1h);
  REQUIRE(rig.write("cpsr", 0x80000000 | el1h));
  CHECK(rig.get(reg::pstate) == (1ull << 32 | 0x80000000 | el1h));
}

TEST_CASE("71: a load-exclusive loop is run through; stepped it would never end") {
  Arm64Rig rig;
  // ldxr x1, [x2]; add x1, x1, #1; stxr w3, x1, [x2]; cbnz w3, .-12; nop
  rig.kernel.put(Arm64Rig::entry,
                 {a64::ldxr_x1_x2, a64::add_x1_1, a64::stxr_w3_x1_x2, a64::cbnz_w3(-3), a64::nop});
  rig.put(Arm64Rig::data, std::uint64_t{41});
  rig.kernel.irq_pending(rig.fd) = true;
  rig.step();
  CHECK(rig.get(reg::pc) == Arm64Rig::entry + 12);
  CHECK(rig.get(reg::x(3)) == 0);
  CHECK(rig.ram[Arm64Rig::data] == std::byte{42});
  rig.step();
  CHECK(rig.get(reg::pc) == Arm64Rig::entry + 16);
  CHECK(rig.read("cpsr") == el1h);
}

TEST_CASE("71: a branch out of the sequence ends the step at its target") {
  for (const std::uint64_t value : {0, 5}) {
    Arm64Rig rig;
    // ldxr x1, [x2]; cbz x1, .+16; stxr w3, x1, [x2]; cbnz w3, .-12; nop; nop
    rig.kernel.put(Arm64Rig::entry, {a64::ldxr_x1_x2, a64::cbz_x1(4), a64::stxr_w3_x1_x2,
                                     a64::cbnz_w3(-3), a64::nop, a64::nop});
    rig.put(Arm64Rig::data, value);
    auto begun = rig.cpu->begin_step();
    REQUIRE(begun);
    CHECK((*begun).ends.front() == Arm64Rig::entry + 12);
    rig.step();
    CHECK(rig.get(reg::pc) == Arm64Rig::entry + (value == 0 ? 20 : 12));
  }
}

TEST_CASE("71: a fault in the sequence ends the step at its handler") {
  Arm64Rig rig;
  rig.kernel.put(Arm64Rig::entry, {a64::ldxr_x1_x2, 0, a64::stxr_w3_x1_x2, a64::cbnz_w3(-3)});
  rig.kernel.put(sync_vector, {a64::nop});
  rig.step();
  CHECK(rig.get(reg::pc) == sync_vector);
  CHECK(rig.get(reg::spsr_el1) == el1h);
  CHECK(rig.read("cpsr") == (el1h | 0x3c0));
}

TEST_CASE("71: with too few pairs it is stepped as any other, and so is what is not a sequence") {
  HostFacts facts = arm64_works();
  facts.exec_slots = 1;
  Arm64Rig few(facts);
  few.kernel.put(Arm64Rig::entry, {a64::ldxr_x1_x2, a64::cbz_x1(4), a64::stxr_w3_x1_x2});
  few.put(Arm64Rig::data, std::uint64_t{1});
  few.step();
  CHECK(few.get(reg::pc) == Arm64Rig::entry + 4);
  Arm64Rig open;
  open.kernel.put(Arm64Rig::entry, {a64::ldxr_x1_x2, a64::branch(1), a64::stxr_w3_x1_x2});
  open.step();
  CHECK(open.get(reg::pc) == Arm64Rig::entry + 4);
}

TEST_CASE("71: only the slots that the CPU has are taken for ends") {
  HostFacts facts = arm64_works();
  facts.exec_slots = 1;
  Arm64Rig rig(facts);
  rig.kernel.put(Arm64Rig::entry, {a64::ldxr_x1_x2, a64::stxr_w3_x1_x2, a64::nop});
  REQUIRE(rig.cpu->begin_step());
  REQUIRE(rig.cpu->arm({.step = true}));
  CHECK(rig.debug().bvr[0] == Arm64Rig::entry + 8);
  CHECK(rig.debug().bcr[1] == 0);
  REQUIRE(rig.vcpu.run());
  rig.cpu->exited();
  const Trap trap = rig.decoded(); // no slot of the engine's: it is ours
  CHECK(trap.stepped);
  CHECK(trap.slots == 0);
  CHECK_FALSE(trap.guests);
}

TEST_CASE("71: the ends that are ours leave no trace in the next plan") {
  Arm64Rig rig;
  rig.kernel.put(Arm64Rig::entry,
                 {a64::ldxr_x1_x2, a64::stxr_w3_x1_x2, a64::cbnz_w3(-2), a64::nop});
  rig.step();
  rig.step();
  CHECK(rig.debug().control == (arm64::debug_enable | arm64::debug_single_step));
  CHECK(rig.debug().bcr[0] == 0);
  CHECK(rig.debug().bcr[1] == 0);
}

TEST_CASE("73: a stepped MMIO store is one step; KVM that pays it twice does not make it two") {
  for (const bool twice : {false, true}) {
    Arm64Rig rig;
    rig.kernel.pays_steps_twice = twice;
    rig.set(reg::x(2), 0x9000000);
    rig.kernel.put(Arm64Rig::entry, {a64::str_w1_x2, a64::add_x1_1, a64::add_x1_1});
    REQUIRE(rig.cpu->begin_step());
    REQUIRE(rig.cpu->arm({.step = true, .block_interrupts = true}));
    REQUIRE(rig.vcpu.run());
    rig.cpu->exited();
    REQUIRE(rig.kernel.page(rig.fd).exit_reason == KVM_EXIT_MMIO);
    REQUIRE_FALSE(rig.vcpu.complete_exit()); // EINTR
    rig.cpu->exited();
    auto moved = rig.cpu->step_progressed();
    REQUIRE(moved);
    CHECK(*moved);
    auto lost = rig.cpu->step_lost();
    REQUIRE(lost);
    CHECK_FALSE(*lost);
    REQUIRE(rig.cpu->end_step());
    CHECK(rig.get(reg::pc) == Arm64Rig::entry + 4);
    CHECK(rig.step() == (twice ? 2 : 1));
    CHECK(rig.get(reg::pc) == Arm64Rig::entry + 8);
    CHECK(rig.get(reg::x(1)) == 1);
  }
}

TEST_CASE("73: a step that is paid twice at the same place each time round is told once each") {
  Arm64Rig rig;
  rig.set(reg::x(2), 0x9000000);
  rig.kernel.put(Arm64Rig::entry, {a64::str_w1_x2, a64::add_x1_1, a64::branch(-2)});
  for (std::uint64_t round = 1; round <= 3; ++round) {
    REQUIRE(rig.cpu->begin_step());
    REQUIRE(rig.cpu->arm({.step = true}));
    REQUIRE(rig.vcpu.run());
    rig.cpu->exited();
    REQUIRE_FALSE(rig.vcpu.complete_exit());
    rig.cpu->exited();
    CHECK(*rig.cpu->step_progressed());
    CHECK_FALSE(*rig.cpu->step_lost());
    REQUIRE(rig.cpu->end_step());
    CHECK(rig.step(false) == 2);
    CHECK(rig.get(reg::pc) == Arm64Rig::entry + 8);
    CHECK(rig.get(reg::x(1)) == round);
    rig.step(false);
  }
}

TEST_CASE("73: an instruction that stays where it is has been stepped") {
  Arm64Rig rig;
  rig.kernel.put(Arm64Rig::entry, {a64::branch_to_itself});
  CHECK(rig.step() == 1);
  CHECK(rig.get(reg::pc) == Arm64Rig::entry);
  // a fault whose handler faults at its first instruction: told once more, then believed
  rig.set(reg::pc, sync_vector);
  rig.cpu->exited();
  CHECK(rig.step() == 2);
  CHECK(rig.get(reg::pc) == sync_vector);
}

TEST_CASE("70: WFI that is kicked is over, without a debug exit") {
  Arm64Rig rig;
  rig.kernel.put(Arm64Rig::entry, {a64::wfi, a64::nop});
  CHECK(rig.step() == 1);
  CHECK(rig.get(reg::pc) == Arm64Rig::entry + 4);
  CHECK(rig.cpu->may_wait());
  CHECK_FALSE(*rig.cpu->waiting());
  rig.kernel.mp_state(rig.fd) = arm64::mp_stopped;
  CHECK(*rig.cpu->waiting());
  CHECK(*rig.cpu->waits_for_ever());
  CHECK(rig.cpu->describe() == "EL1h, AArch64, MMU off, powered off");
}
