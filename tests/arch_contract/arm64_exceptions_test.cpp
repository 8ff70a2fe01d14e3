// The guest's own debug exceptions, handed back as its CPU would have delivered them.
#include "tests/arch_contract/arm64_rig.hpp"

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::test;

namespace {

constexpr std::uint64_t vectors = Arm64Rig::vectors, nzcv = 0x90000000, pan = 1u << 22,
                        ssbs = 1u << 12, dit = 1u << 24, tco = 1u << 25;
constexpr std::uint32_t hsr(std::uint32_t cause, std::uint32_t rest = 0) {
  return cause << 26 | 1u << 25 | rest;
}

/// From this PSTATE, by this exit.
Arm64Rig& passed(Arm64Rig& rig, std::uint64_t state, std::uint32_t why, std::uint64_t far = 0) {
  rig.set(reg::pstate, state);
  REQUIRE(rig.cpu->arm({.software = true}));
  rig.debug_exit(why, far);
  const Trap trap = rig.decoded();
  REQUIRE((trap.guests || trap.software));
  REQUIRE(rig.cpu->pass_to_guest(trap));
  return rig;
}

} // namespace

TEST_CASE(
    "72: the guest's BRK goes to the vector of where it was: EL1 SP0, EL1 SPx, EL0, AArch32") {
  const struct {
    const char* from;
    std::uint64_t state, vector;
    std::uint32_t cause;
  } cases[] = {{"EL1t", 4, 0x000, 0x3c},
               {"EL1h", 5, 0x200, 0x3c},
               {"EL0", 0, 0x400, 0x3c},
               {"EL0, AArch32", 0x10, 0x600, 0x38},
               {"EL0, T32", 0x30, 0x600, 0x38}};
  for (const auto& each : cases) {
    INFO(each.from);
    Arm64Rig rig;
    const std::uint32_t why = hsr(each.cause, 0x5d);
    passed(rig, each.state | nzcv, why);
    CHECK(rig.get(reg::pc) == vectors + each.vector);
    CHECK(rig.get(reg::esr_el1) == why);
    CHECK(rig.get(reg::elr_el1) == Arm64Rig::entry);
    CHECK(rig.get(reg::spsr_el1) == (each.state | nzcv));
    CHECK(rig.get(reg::pstate) == (nzcv | 0x3c5));
  }
}

TEST_CASE("72: breakpoint, step and watchpoint have a cause of their own for the same level") {
  for (const std::uint32_t cause : {0x30u, 0x32u, 0x34u}) {
    Arm64Rig same, lower;
    passed(same, 5, hsr(cause, 0x62), 0x2004);
    CHECK(same.get(reg::esr_el1) == hsr(cause + 1, 0x62));
    passed(lower, 0, hsr(cause, 0x62), 0x2004);
    CHECK(lower.get(reg::esr_el1) == hsr(cause, 0x62));
    for (const Arm64Rig* rig : {&same, &lower}) {
      CHECK(rig->get(reg::far_el1) == (cause == 0x34 ? 0x2004 : 0));
    }
  }
}

TEST_CASE("72: the upper half of the syndrome comes along where the kernel has one") {
  Arm64Rig rig;
  REQUIRE(rig.cpu->arm({.software = true}));
  rig.debug_exit(hsr(0x34));
  kvm_run& page = rig.kernel.page(rig.fd);
  arm64::DebugExit exit{hsr(0x34), 0x15, 0x2000};
  std::memcpy(&page.debug, &exit, sizeof exit);
  page.flags = arm64::run_hsr_high;
  REQUIRE(rig.cpu->pass_to_guest(rig.decoded()));
  CHECK(rig.get(reg::esr_el1) == (0x1500000000 | hsr(0x35)));
  page.flags = 0;
  REQUIRE(rig.cpu->pass_to_guest(Trap{.guests = true}));
  CHECK(rig.get(reg::esr_el1) == hsr(0x35));
}

TEST_CASE("72: PSTATE in the handler as the system registers have it") {
  constexpr std::uint64_t old = 5 | dit | ssbs | 1u << 20 | 1u << 21 | 1u << 23 | 3u << 10;
  Arm64Rig plain;
  passed(plain, old, hsr(0x3c));
  CHECK(plain.get(reg::pstate) == (0x3c5 | dit));
  CHECK(plain.get(reg::spsr_el1) == old);
  Arm64Rig rig;
  rig.set(reg::sctlr_el1, 1ull << 44);    // SPAN clear, DSSBS set
  rig.set(reg::id_aa64pfr1_el1, 2u << 8); // MTE
  passed(rig, 5, hsr(0x3c));
  CHECK(rig.get(reg::pstate) == (0x3c5 | pan | ssbs | tco));
  Arm64Rig kept;
  passed(kept, 5 | pan, hsr(0x3c));
  CHECK(kept.get(reg::pstate) == (0x3c5 | pan));
}

TEST_CASE("72: a step of the guest's BRK ends at the handler, and the masks saved are its own") {
  for (const std::uint64_t own : {0x0ull, 0x80ull}) {
    Arm64Rig rig;
    rig.set(reg::pstate, 5 | own);
    rig.kernel.put(Arm64Rig::entry, {a64::brk(0x800)});
    rig.kernel.put(vectors + 0x200, {a64::add_x1_1});
    REQUIRE(rig.cpu->begin_step());
    REQUIRE(rig.cpu->arm({.step = true, .software = true, .block_interrupts = true}));
    REQUIRE(rig.vcpu.run());
    rig.cpu->exited();
    const Trap trap = rig.decoded();
    REQUIRE(trap.software);
    REQUIRE(rig.cpu->pass_to_guest(trap));
    CHECK(rig.get(reg::spsr_el1) == (5 | own));
    CHECK(rig.get(reg::elr_el1) == Arm64Rig::entry);
    auto next = rig.cpu->begin_step(); // as the engine goes on
    REQUIRE(next);
    CHECK((*next).done);
    CHECK_FALSE(*rig.cpu->step_lost());
    REQUIRE(rig.cpu->end_step());
    CHECK(rig.get(reg::pc) == vectors + 0x200);
    CHECK(rig.get(reg::x(1)) == 0);
    CHECK(rig.step() == 1); // the next is a real one
    CHECK(rig.get(reg::x(1)) == 1);
    REQUIRE(rig.cpu->arm({}));
    CHECK(rig.get(reg::pstate) == 0x3c5);
  }
}

TEST_CASE("72: a run in between leaves no step half done") {
  Arm64Rig rig;
  rig.kernel.put(Arm64Rig::entry, {a64::brk(1)});
  rig.kernel.put(vectors + 0x200, {a64::brk(2)});
  REQUIRE(rig.cpu->begin_step());
  REQUIRE(rig.cpu->arm({.step = true}));
  REQUIRE(rig.vcpu.run());
  rig.cpu->exited();
  REQUIRE(rig.cpu->pass_to_guest(rig.decoded()));
  REQUIRE(rig.cpu->arm({.software = true}));
  REQUIRE(rig.vcpu.run());
  rig.cpu->exited();
  CHECK(rig.decoded().software);
  auto next = rig.cpu->begin_step();
  REQUIRE(next);
  CHECK_FALSE((*next).done);
}

TEST_CASE("72: a step that somebody looked into, or moved, goes on from there") {
  for (const bool moved : {false, true}) {
    Arm64Rig rig;
    rig.kernel.put(Arm64Rig::entry, {a64::brk(1)});
    rig.kernel.put(vectors + 0x200, {a64::nop});
    REQUIRE(rig.cpu->begin_step());
    REQUIRE(rig.cpu->arm({.step = true}));
    REQUIRE(rig.vcpu.run());
    rig.cpu->exited();
    REQUIRE(rig.cpu->pass_to_guest(rig.decoded()));
    if (moved) {
      REQUIRE(rig.write("pc", 0x1800));
      rig.kernel.put(0x1800, {a64::nop});
    } else {
      CHECK(rig.read("pc") == vectors + 0x200);
    }
    auto next = rig.cpu->begin_step();
    REQUIRE(next);
    CHECK_FALSE((*next).done);
  }
}

TEST_CASE("72: a hypervisor takes its own, and its user's, and what it asked for") {
  const struct {
    const char* what;
    std::uint64_t state, hcr, mdcr;
    bool to_el2;
    std::uint64_t vector;
  } cases[] = {{"EL2h", 9, 0, 0, true, 0x200},          {"EL2t", 8, 0, 0, true, 0},
               {"EL1 under it", 5, 0, 0, false, 0x200}, {"EL1, TDE", 5, 0, 1u << 8, true, 0x400},
               {"EL0", 0, 0, 0, false, 0x400},          {"EL0, TGE", 0, 1u << 27, 0, true, 0x400}};
  for (const auto& each : cases) {
    INFO(each.what);
    Arm64Rig rig;
    rig.kernel.give_el2(rig.fd);
    rig.set(reg::vbar_el2, 0x6000);
    rig.set(reg::hcr_el2, each.hcr);
    rig.set(reg::mdcr_el2, each.mdcr);
    rig.set(reg::sctlr_el2, arm64::sctlr_span);
    passed(rig, each.state, hsr(0x3c, 3));
    CHECK(rig.get(reg::pc) == (each.to_el2 ? 0x6000 : vectors) + each.vector);
    CHECK(rig.get(each.to_el2 ? reg::esr_el2 : reg::esr_el1) == hsr(0x3c, 3));
    CHECK(rig.get(each.to_el2 ? reg::elr_el2 : reg::elr_el1) == Arm64Rig::entry);
    CHECK(rig.get(each.to_el2 ? reg::spsr_el2 : reg::spsr_el1) == each.state);
    CHECK(rig.get(reg::pstate) == (0x3c0 | (each.to_el2 ? 9 : 5)));
  }
}

TEST_CASE("exceptions are caught at their vector, and show syndrome and address") {
  Arm64Rig rig;
  CHECK((*rig.cpu->exception_entry(4)).value == vectors + 0x200);
  CHECK((*rig.cpu->exception_entry(15)).value == vectors + 0x780);
  CHECK(rig.cpu->exception_entry(16).error().code == Code::bad_request);
  rig.set(reg::esr_el1, 0x96000045);
  rig.set(reg::far_el1, 0x1234);
  rig.set(reg::elr_el1, 0x1008);
  auto frame = rig.cpu->exception_frame(4);
  REQUIRE(frame);
  CHECK((*frame).error == 0x96000045);
  CHECK((*frame).note == "from 0x1008, address 0x1234");
  rig.set(reg::vbar_el1, 0);
  rig.cpu->exited();
  CHECK(rig.cpu->exception_entry(4).error().code == Code::memory_fault);
}
