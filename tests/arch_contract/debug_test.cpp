// What x86 tells KVM to do, and what it makes of KVM's debug exits.
#include "tests/arch_contract/x86_rig.hpp"

#include <cerrno>

using namespace kdbg;
using namespace kdbg::kvm;
using kdbg::test::all_works;
using kdbg::test::X86Rig;
using x86::dr6_bd, x86::dr6_bs, x86::dr6_fixed;

namespace {

constexpr std::uint32_t db = 1, bp = 3;

DebugPlan with_slot(unsigned n, PointKind kind, std::uint8_t length, std::uint64_t at = 0x2000) {
  DebugPlan plan;
  plan.slots[n] = Slot{at, length, kind};
  return plan;
}

/// The guest's own debug exception, as it stands before the next entry.
struct Queued {
  bool pending = false, injected = false;
  std::uint64_t payload = 0;
};
Queued queued(X86Rig& rig) {
  const x86::VcpuEvents& events = rig.kernel.events(rig.fd);
  if (events.exception.pending == 0 && events.exception.injected == 0) return {};
  CHECK(events.exception.nr == db);
  CHECK(events.exception.has_error_code == 0);
  const bool valid = (events.flags & 16) != 0 && events.exception_has_payload != 0;
  return {events.exception.pending != 0, events.exception.injected != 0,
          valid ? events.exception_payload : 0};
}

} // namespace

TEST_CASE("a slot becomes the DR7 bits of SDM 18.2.4, and its hit is told by DR6") {
  const struct {
    PointKind kind;
    std::uint8_t length;
    std::uint64_t field; ///< R/W in bits 0-1, LEN in bits 2-3
  } cases[] = {{PointKind::hardware, 1, 0b0000}, {PointKind::write, 1, 0b0001},
               {PointKind::write, 2, 0b0101},    {PointKind::write, 4, 0b1101},
               {PointKind::write, 8, 0b1001},    {PointKind::access, 1, 0b0011},
               {PointKind::access, 2, 0b0111},   {PointKind::access, 4, 0b1111},
               {PointKind::access, 8, 0b1011},   {PointKind::read, 4, 0b1111}};
  for (unsigned n = 0; n < 4; ++n) {
    for (const auto& each : cases) {
      INFO("slot " << n << ", kind " << name(each.kind) << ", length " << unsigned{each.length});
      X86Rig rig;
      REQUIRE(rig.cpu->arm(with_slot(n, each.kind, each.length)));
      x86::GuestDebug want{};
      want.control = x86::debug_enable | x86::debug_use_hw_bp;
      want.debugreg[n] = 0x2000;
      want.debugreg[7] = 0x600 | std::uint64_t{2} << (2 * n) | each.field << (16 + 4 * n);
      CHECK(rig.debug() == want);
      rig.debug_exit(db, dr6_fixed | 1u << n);
      const Trap trap = rig.decoded();
      CHECK(trap.slots == 1u << n);
      CHECK_FALSE(trap.stepped);
      CHECK_FALSE(trap.software);
      CHECK_FALSE(trap.guests);
    }
  }
}

TEST_CASE("four slots, step and software breakpoints are one plan and one ioctl") {
  X86Rig rig;
  DebugPlan plan{.step = true, .software = true, .block_interrupts = true};
  plan.slots[0] = Slot{0x1000, 1, PointKind::hardware};
  plan.slots[1] = Slot{0x2000, 2, PointKind::write};
  plan.slots[2] = Slot{0x3000, 4, PointKind::access};
  plan.slots[3] = Slot{0x4000, 8, PointKind::write};
  REQUIRE(rig.cpu->arm(plan));
  CHECK(rig.debug().control == 0x130003); // ENABLE, SINGLESTEP, USE_SW_BP, USE_HW_BP, BLOCKIRQ
  CHECK(rig.debug().debugreg[7] == 0x9f5006aa);
  CHECK(rig.asked(x86::set_guest_debug) == 1);
  REQUIRE(rig.cpu->arm({}));
  CHECK(rig.debug() == x86::GuestDebug{});
}

TEST_CASE("a plan that is armed already costs no ioctl; one that differs costs one") {
  X86Rig rig;
  REQUIRE(rig.cpu->arm({}));
  CHECK(rig.kernel.log.empty());
  const DebugPlan plan = with_slot(1, PointKind::write, 4);
  REQUIRE(rig.cpu->arm(plan));
  rig.cpu->exited();
  REQUIRE(rig.cpu->arm(plan));
  CHECK(rig.kernel.log == std::vector<unsigned long>{x86::set_guest_debug});
  REQUIRE(rig.cpu->arm(with_slot(2, PointKind::write, 4)));
  CHECK(rig.asked(x86::set_guest_debug) == 2);
}

TEST_CASE("a step is armed again each time where KVM forgets it, and only there") {
  for (const bool rearm : {false, true}) {
    HostFacts facts = all_works();
    facts.rearm_step = rearm;
    X86Rig rig(facts);
    for (int i = 0; i < 3; ++i) {
      REQUIRE(rig.cpu->arm({.step = true}));
      rig.cpu->exited();
    }
    CHECK(rig.asked(x86::set_guest_debug) == (rearm ? 3 : 1));
  }
}

TEST_CASE("registers handed over while stepping force the step to be armed again, after them") {
  HostFacts facts = all_works();
  facts.rearm_step = false;
  X86Rig rig(facts);
  REQUIRE(rig.cpu->arm({.step = true}));
  REQUIRE(rig.write("rax", 5));
  rig.kernel.log.clear();
  REQUIRE(rig.cpu->arm({.step = true}));
  CHECK(rig.kernel.log == std::vector<unsigned long>{x86::set_regs, x86::set_guest_debug});
}

TEST_CASE("a plan that KVM refused is not taken for armed") {
  X86Rig rig;
  const DebugPlan plan = with_slot(0, PointKind::hardware, 1);
  rig.kernel.refused[x86::set_guest_debug] = EINVAL;
  CHECK_FALSE(rig.cpu->arm(plan));
  rig.kernel.refused.clear();
  REQUIRE(rig.cpu->arm({})); // what was armed before is not known either
  CHECK(rig.asked(x86::set_guest_debug) == 2);
  REQUIRE(rig.cpu->arm(plan));
  CHECK(rig.debug().debugreg[7] == 0x602);
}

TEST_CASE("interrupts are blocked only where KVM says that it can") {
  HostFacts facts = all_works();
  facts.debug_flags = 0;
  X86Rig rig(facts);
  REQUIRE(rig.cpu->arm({.step = true, .block_interrupts = true}));
  CHECK(rig.debug().control == (x86::debug_enable | x86::debug_single_step));
}

TEST_CASE("DR6 bits of slots that are not in the plan mean nothing") {
  X86Rig rig;
  REQUIRE(rig.cpu->arm(with_slot(1, PointKind::write, 4)));
  rig.debug_exit(db, dr6_fixed | 0xf);
  const Trap trap = rig.decoded();
  CHECK(trap.slots == 2);
  CHECK_FALSE(trap.guests);
}

TEST_CASE("a step and a watch in one exit are both told") {
  X86Rig rig;
  DebugPlan plan = with_slot(2, PointKind::write, 4);
  plan.step = true;
  REQUIRE(rig.cpu->arm(plan));
  rig.debug_exit(db, dr6_fixed | dr6_bs | 4);
  const Trap trap = rig.decoded();
  CHECK(trap.stepped);
  CHECK(trap.slots == 4);
  CHECK_FALSE(trap.guests);
}

TEST_CASE("breakpoint instructions are told by exception 3 or by what fails to emulate") {
  X86Rig rig;
  rig.debug_exit(bp, 0xdead); // DR6 is not valid then
  CHECK(rig.decoded().software);
  auto& page = rig.kernel.page(rig.fd);
  page.exit_reason = KVM_EXIT_INTERNAL_ERROR;
  page.internal.suberror = 1;
  rig.code({0xcc});
  rig.cpu->exited();
  CHECK(rig.decoded().software);
  rig.code({0xf1});
  CHECK(rig.decoded().guests);
  rig.code({0x90});
  auto other = rig.cpu->decode_exit();
  REQUIRE(other);
  CHECK_FALSE(other->has_value());
  rig.code({0xcc});
  page.internal.suberror = 3; // while delivering an event: no instruction's fault
  other = rig.cpu->decode_exit();
  REQUIRE(other);
  CHECK_FALSE(other->has_value());
  page.exit_reason = KVM_EXIT_HLT;
  other = rig.cpu->decode_exit();
  REQUIRE(other);
  CHECK_FALSE(other->has_value());
}

TEST_CASE("the guest's own debug exception comes back with the causes that it would have seen") {
  struct Case {
    const char* what;
    DebugPlan plan;
    std::uint64_t guest_dr7, dr6, payload;
  };
  const Case cases[] = {{"its trap flag", {.software = true}, 0x400, dr6_bs, dr6_bs},
                        {"its DR1, while we step", {.step = true}, 0x408, dr6_bs | 2, 2},
                        {"its DR0 and DR3 of which DR3 is off", {.software = true}, 0x401, 9, 1},
                        {"its DR7.GD", {.software = true}, 0x2400, dr6_bd, dr6_bd},
                        {"its trap flag beside a slot of ours", with_slot(0, PointKind::write, 1),
                         0x402, dr6_bs | 1, dr6_bs}};
  for (const bool payloads : {true, false}) {
    for (const Case& each : cases) {
      INFO(each.what << (payloads ? "" : ", without payloads"));
      HostFacts facts = all_works();
      facts.exception_payload = payloads;
      X86Rig rig(facts);
      rig.kernel.debugregs(rig.fd).dr7 = each.guest_dr7;
      rig.kernel.debugregs(rig.fd).dr6 = dr6_fixed | 4; // an old cause is replaced, not added to
      REQUIRE(rig.cpu->arm(each.plan));
      rig.debug_exit(db, dr6_fixed | each.dr6);
      const Trap trap = rig.decoded();
      CHECK(trap.guests);
      REQUIRE(rig.cpu->pass_to_guest(trap));
      CHECK_FALSE(queued(rig).pending);
      REQUIRE(rig.cpu->arm({}));
      const Queued got = queued(rig);
      CHECK(got.pending == payloads);
      CHECK(got.injected != payloads);
      if (payloads) {
        CHECK(got.payload == each.payload);
        CHECK(rig.kernel.debugregs(rig.fd).dr6 == (dr6_fixed | 4)); // KVM merges it at delivery
      } else {
        CHECK(rig.kernel.debugregs(rig.fd).dr6 == (dr6_fixed | each.payload));
      }
      rig.kernel.events(rig.fd) = {};
      rig.cpu->exited();
      REQUIRE(rig.cpu->arm({}));
      CHECK_FALSE(queued(rig).pending); // once
      CHECK_FALSE(queued(rig).injected);
    }
  }
}

TEST_CASE("a slot of ours that fired beside a disabled one of the guest's is ours alone") {
  X86Rig rig;
  rig.kernel.debugregs(rig.fd).dr7 = 0x402;
  REQUIRE(rig.cpu->arm(with_slot(1, PointKind::write, 4)));
  rig.debug_exit(db, dr6_fixed | 3); // KVM does not arm the guest's registers beside ours
  const Trap trap = rig.decoded();
  CHECK(trap.slots == 2);
  CHECK_FALSE(trap.guests);
}

TEST_CASE("icebp is the guest's, moves past itself once and has no cause") {
  for (const bool left_at_it : {true, false}) {
    X86Rig rig;
    rig.code({0xf1, 0x90});
    REQUIRE(rig.cpu->arm({.software = true}));
    if (!left_at_it) rig.regs().rip += 1;
    rig.debug_exit(db, dr6_fixed);
    const Trap trap = rig.decoded();
    CHECK(trap.guests);
    REQUIRE(rig.cpu->pass_to_guest(trap));
    REQUIRE(rig.cpu->arm({.software = true}));
    CHECK(rig.regs().rip == 0x1001);
    CHECK(queued(rig).pending);
    CHECK(queued(rig).payload == 0);
  }
}

TEST_CASE("a debug exception waits for the exception that is already on its way") {
  X86Rig rig;
  REQUIRE(rig.cpu->arm({.software = true}));
  rig.debug_exit(db, dr6_fixed | dr6_bs);
  REQUIRE(rig.cpu->pass_to_guest(rig.decoded()));
  auto& exception = rig.kernel.events(rig.fd).exception;
  exception.injected = 1;
  exception.nr = 14;
  REQUIRE(rig.cpu->arm({.software = true}));
  CHECK(exception.nr == 14);
  exception.injected = 0;
  rig.cpu->exited();
  REQUIRE(rig.cpu->arm({.software = true}));
  CHECK(queued(rig).payload == dr6_bs);
}

TEST_CASE("the guest's own int3 is injected with its pc, and the plan stays armed") {
  for (const bool stays : {false, true}) {
    HostFacts facts = all_works();
    facts.breakpoint_pc_stays = stays;
    X86Rig rig(facts);
    rig.code({0xcc});
    REQUIRE(rig.cpu->arm({.software = true}));
    rig.debug_exit(bp, 0);
    const Trap trap = rig.decoded();
    rig.kernel.log.clear();
    REQUIRE(rig.cpu->pass_to_guest(trap));
    REQUIRE(rig.cpu->arm({.software = true}));
    CHECK(rig.regs().rip == (stays ? 0x1001 : 0x1000));
    const auto& exception = rig.kernel.events(rig.fd).exception;
    CHECK(exception.injected == 1); // SET_REGS after the injection would have dropped it
    CHECK(exception.nr == bp);
    CHECK((rig.debug().control & x86::debug_use_sw_bp) != 0);
    CHECK(rig.asked(x86::set_regs) == (stays ? 1 : 0));
  }
}

// Registers written after the trap was handed back must not drop it: KVM_SET_REGS clears what
// was injected before.
TEST_CASE("a register written between an int3 handed back and the next entry does not lose it") {
  HostFacts facts = all_works();
  facts.breakpoint_pc_stays = true;
  X86Rig rig(facts);
  rig.code({0xcc});
  REQUIRE(rig.cpu->arm({.software = true}));
  rig.debug_exit(bp, 0);
  REQUIRE(rig.cpu->pass_to_guest(rig.decoded()));
  REQUIRE(rig.write("rax", 1)); // another vCPU has stopped the guest, and a client looks in
  REQUIRE(rig.cpu->arm({.software = true}));
  CHECK(rig.regs().rax == 1);
  CHECK(rig.kernel.events(rig.fd).exception.injected == 1);
}

TEST_CASE("the guest's trap flag is kept aside while we step, and given back after") {
  X86Rig rig;
  rig.regs().rflags |= x86::flag_tf;
  rig.cpu->exited();
  REQUIRE(rig.cpu->arm({.step = true}));
  rig.regs().rflags &= ~x86::flag_tf; // KVM hides the flag while it steps, and forgets it
  rig.cpu->exited();
  CHECK((rig.read("eflags") & x86::flag_tf) != 0);
  REQUIRE(rig.cpu->arm({.step = true}));
  rig.cpu->exited();
  CHECK((rig.read("eflags") & x86::flag_tf) != 0);
  rig.kernel.log.clear();
  REQUIRE(rig.cpu->arm({}));
  CHECK((rig.regs().rflags & x86::flag_tf) != 0);
  // in this order: SET_GUEST_DEBUG with SINGLESTEP off would filter the flag out again
  CHECK(rig.kernel.log.front() == x86::set_guest_debug);
  CHECK(rig.kernel.log.back() == x86::set_regs);
  REQUIRE(rig.cpu->arm({.step = true}));
  REQUIRE(rig.write("eflags", 2)); // the client clears it
  REQUIRE(rig.cpu->arm({}));
  CHECK((rig.regs().rflags & x86::flag_tf) == 0);
}

TEST_CASE("a guest without a trap flag does not get one from us") {
  X86Rig rig;
  REQUIRE(rig.cpu->arm({.step = true}));
  rig.cpu->exited();
  REQUIRE(rig.cpu->arm({}));
  CHECK((rig.regs().rflags & x86::flag_tf) == 0);
  CHECK(rig.asked(x86::set_regs) == 0);
}

TEST_CASE("software breakpoints are blocked in real mode where int3 does not exit") {
  HostFacts facts = all_works();
  facts.breakpoint_exit = false;
  X86Rig rig(facts);
  CHECK_FALSE(*rig.cpu->software_points_blocked());
  rig.mode(x86::CodeMode::bits16);
  CHECK(*rig.cpu->software_points_blocked());
  X86Rig hardware;
  hardware.mode(x86::CodeMode::bits16);
  CHECK_FALSE(*hardware.cpu->software_points_blocked());
}

TEST_CASE("a watched range of any place and length is covered exactly, or needs over four slots") {
  for (std::uint64_t offset = 0; offset < 8; ++offset) {
    for (std::uint64_t length = 1; length <= 33; ++length) {
      INFO("offset " << offset << ", length " << length);
      // the fewest pieces by dynamic programming
      std::vector<unsigned> fewest(length + 1, 99);
      fewest[0] = 0;
      for (std::uint64_t done = 0; done < length; ++done) {
        for (const std::uint64_t size : {1u, 2u, 4u, 8u}) {
          if ((offset + done) % size == 0 && done + size <= length)
            fewest[done + size] = std::min(fewest[done + size], fewest[done] + 1);
        }
      }
      const std::uint64_t start = 0xffff800000001000 + offset;
      const auto slots = x86_64().split_watch(PointKind::access, start, length);
      CHECK(slots.size() == (fewest[length] <= 4 ? fewest[length] : 0));
      std::uint64_t at = start;
      for (const Slot& slot : slots) {
        CHECK(slot.address == at);
        CHECK(slot.address % slot.length == 0);
        CHECK(slot.kind == PointKind::access);
        at += slot.length;
      }
      if (!slots.empty()) CHECK(at == start + length);
    }
  }
  CHECK(x86_64().slots_for(PointKind::write).count == 4);
}
