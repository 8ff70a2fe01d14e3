// What arm64 tells KVM to do, and what it makes of KVM's debug exits.
#include "tests/arch_contract/arm64_rig.hpp"

#include <cerrno>

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::test;
using arm64::first_watch;

namespace {

constexpr std::uint32_t hsr(std::uint32_t cause, std::uint32_t rest = 0) {
  return cause << 26 | 1u << 25 | rest;
}
constexpr std::uint32_t write_not_read = 1u << 6, far_not_valid = 1u << 10;

DebugPlan with(unsigned n, const Slot& slot) {
  DebugPlan plan;
  plan.slots[n] = slot;
  return plan;
}

} // namespace

TEST_CASE("64: BRK exits at the instruction, by cause 0x3c") {
  Arm64Rig rig;
  rig.kernel.put(Arm64Rig::entry, {a64::nop, a64::brk(0)});
  REQUIRE(rig.cpu->arm({.software = true}));
  CHECK(rig.debug().control == 0x10001); // ENABLE, USE_SW_BP
  REQUIRE(rig.vcpu.run());
  rig.cpu->exited();
  const Trap trap = rig.decoded();
  CHECK(trap.software);
  CHECK_FALSE(trap.stepped);
  CHECK_FALSE(trap.guests);
  CHECK((*rig.cpu->pc()).value == Arm64Rig::entry + 4);
  rig.debug_exit(hsr(0x38)); // BKPT of AArch32
  CHECK(rig.decoded().software);
}

TEST_CASE("64: the breakpoint instruction is brk #0, four bytes, nowhere shorter") {
  Arm64Rig rig;
  const Bytes code(4);
  const ByteView brk = rig.arch->breakpoint_instruction(code);
  REQUIRE(brk.size() == 4);
  CHECK(std::equal(brk.begin(), brk.end(),
                   std::begin({std::byte{0}, std::byte{0}, std::byte{0x20}, std::byte{0xd4}})));
  CHECK(rig.arch->breakpoint_instruction(ByteView(code).first(3)).empty());
  CHECK(rig.arch->info().code_alignment == 4);
}

TEST_CASE("64: a plan is one ioctl of 520 bytes, given whole and only when it differs") {
  Arm64Rig rig;
  REQUIRE(rig.cpu->arm({}));
  CHECK(rig.kernel.log.empty());
  DebugPlan plan{.step = true, .software = true};
  plan.slots[5] = Slot{0x1234, 1, PointKind::hardware};
  plan.slots[first_watch + 3] = Slot{0x2004, 4, PointKind::write};
  for (int i = 0; i < 3; ++i) { // a step is not armed again
    REQUIRE(rig.cpu->arm(plan));
    rig.cpu->exited();
  }
  CHECK(rig.asked(arm64::set_guest_debug) == 1);
  CHECK(rig.debug().control == 0x30003);
  CHECK(rig.debug().bcr[5] == 0x1e7);
  CHECK(rig.debug().bvr[5] == 0x1234);
  CHECK(rig.debug().wcr[3] == (0xf0ull << 5 | 2 << 3 | 7));
  CHECK(rig.debug().wvr[3] == 0x2000);
  CHECK(rig.debug().bcr[0] == 0);
  REQUIRE(rig.cpu->arm({}));
  CHECK(rig.debug() == arm64::GuestDebug{});
  CHECK(rig.asked(arm64::set_guest_debug) == 2);
}

TEST_CASE("74: flags that this KVM refuses are not supported, not an internal error") {
  Arm64Rig rig;
  arm64::GuestDebug inject{};
  inject.control = arm64::debug_enable | 1u << 19; // x86's KVM_GUESTDBG_INJECT_BP
  auto refused = rig.vcpu.set(arm64::set_guest_debug, inject);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().sys_errno == EINVAL);
  rig.kernel.refused_requests = {arm64::set_guest_debug};
  auto armed = rig.cpu->arm({.software = true});
  REQUIRE_FALSE(armed);
  CHECK(armed.error().code == Code::kernel); // ENOTTY: no such ioctl
  rig.kernel.refused_requests.clear();
  rig.kernel.known_flags = arm64::debug_enable | arm64::debug_use_sw_bp;
  armed = rig.cpu->arm({.step = true});
  REQUIRE_FALSE(armed);
  CHECK(armed.error().code == Code::unsupported);
  CHECK(armed.error().what.find("flags 0x3") != std::string::npos);
  REQUIRE(rig.cpu->arm({.software = true})); // not known what is armed: it is given again
  CHECK(rig.debug().control == 0x10001);
}

TEST_CASE("67: every breakpoint pair, alone and with all others") {
  for (const bool together : {false, true}) {
    for (unsigned n = 0; n < 16; ++n) {
      Arm64Rig rig;
      rig.kernel.put(Arm64Rig::entry, {a64::nop, a64::nop, a64::nop});
      DebugPlan plan;
      for (unsigned other = 0; other < 16; ++other) {
        if (together) plan.slots[other] = Slot{0x8000 + 4 * other, 1, PointKind::hardware};
      }
      plan.slots[n] = Slot{Arm64Rig::entry + 8, 1, PointKind::hardware};
      REQUIRE(rig.cpu->arm(plan));
      REQUIRE(rig.vcpu.run());
      rig.cpu->exited();
      const Trap trap = rig.decoded();
      CHECK(trap.slots == 1u << n);
      CHECK_FALSE(trap.stepped);
      CHECK_FALSE(trap.guests);
      CHECK(rig.get(reg::pc) == Arm64Rig::entry + 8);
    }
  }
}

TEST_CASE("67: every watchpoint pair stops a store before it is done") {
  for (unsigned n = 0; n < 16; ++n) {
    Arm64Rig rig;
    rig.set(reg::x(1), 0x55);
    rig.kernel.put(Arm64Rig::entry, {a64::nop, a64::str_x1_x2});
    REQUIRE(rig.cpu->arm(with(first_watch + n, {Arm64Rig::data + 4, 4, PointKind::write})));
    REQUIRE(rig.vcpu.run());
    rig.cpu->exited();
    CHECK(rig.decoded().slots == 1u << (first_watch + n));
    CHECK(rig.get(reg::pc) == Arm64Rig::entry + 4);
    CHECK(rig.ram[Arm64Rig::data] == std::byte{0});
  }
}

TEST_CASE("67: what is armed survives exits and a row of plans that do not change it") {
  Arm64Rig rig;
  rig.kernel.put(Arm64Rig::entry, {a64::branch_to_itself});
  DebugPlan plan = with(2, {Arm64Rig::entry, 1, PointKind::hardware});
  REQUIRE(rig.cpu->arm(plan));
  for (int i = 0; i < 3; ++i) { // no RF: it fires again at once
    REQUIRE(rig.vcpu.run());
    rig.cpu->exited();
    CHECK(rig.decoded().slots == 4);
    REQUIRE(rig.cpu->arm(plan));
  }
  CHECK(rig.asked(arm64::set_guest_debug) == 1);
}

TEST_CASE("68: reads, writes and both are told apart by the pair, and by WnR") {
  const struct {
    PointKind kind;
    bool by_load, by_store;
  } cases[] = {{PointKind::read, true, false},
               {PointKind::write, false, true},
               {PointKind::access, true, true}};
  for (const auto& each : cases) {
    for (const bool store : {false, true}) {
      INFO(name(each.kind) << (store ? ", store" : ", load"));
      Arm64Rig rig;
      rig.kernel.put(Arm64Rig::entry, {store ? a64::str_w1_x2 : a64::ldrb_w1_x2, a64::brk(1)});
      DebugPlan plan = with(first_watch, {Arm64Rig::data, 1, each.kind});
      plan.software = true;
      REQUIRE(rig.cpu->arm(plan));
      REQUIRE(rig.vcpu.run());
      rig.cpu->exited();
      const Trap trap = rig.decoded();
      const bool hits = store ? each.by_store : each.by_load;
      CHECK((trap.slots == 1u << first_watch) == hits);
      CHECK(trap.software == !hits);
    }
  }
}

TEST_CASE("68: an access that begins below the watched bytes is the watch's") {
  Arm64Rig rig;
  rig.kernel.reported_below = 48; // DC ZVA, or a wide access: the CPU names its beginning
  rig.kernel.put(Arm64Rig::entry, {a64::str_w1_x2});
  DebugPlan plan = with(first_watch, {Arm64Rig::data, 4, PointKind::write});
  plan.slots[first_watch + 1] = Slot{Arm64Rig::data + 0x100, 8, PointKind::write};
  REQUIRE(rig.cpu->arm(plan));
  REQUIRE(rig.vcpu.run());
  rig.cpu->exited();
  CHECK(rig.decoded().slots == 1u << first_watch);
}

TEST_CASE("68: without an address the instruction says which slots it was") {
  Arm64Rig rig;
  rig.kernel.far_valid = false;
  rig.kernel.put(Arm64Rig::entry, {a64::str_w1_x2, a64::nop});
  DebugPlan plan = with(first_watch, {Arm64Rig::data + 0x100, 8, PointKind::write});
  plan.slots[first_watch + 1] = Slot{Arm64Rig::data, 4, PointKind::write};
  plan.slots[first_watch + 2] = Slot{Arm64Rig::data, 4, PointKind::read};
  REQUIRE(rig.cpu->arm(plan));
  REQUIRE(rig.vcpu.run());
  rig.cpu->exited();
  CHECK(rig.decoded().slots == 1u << (first_watch + 1));
  // an instruction that is not decoded: it was one of them
  rig.kernel.put(Arm64Rig::entry, {a64::nop});
  rig.cpu->exited();
  rig.debug_exit(hsr(0x34, far_not_valid | write_not_read));
  CHECK(rig.decoded().slots == 7u << first_watch);
}

TEST_CASE("69: a watch is stepped over with its pair disarmed, and fires the next time") {
  Arm64Rig rig;
  rig.set(reg::x(1), 0x77);
  rig.kernel.put(Arm64Rig::entry, {a64::str_x1_x2, a64::branch(-1)});
  const DebugPlan plan = with(first_watch, {Arm64Rig::data, 8, PointKind::write});
  for (int round = 0; round < 3; ++round) {
    REQUIRE(rig.cpu->arm(plan));
    REQUIRE(rig.vcpu.run());
    rig.cpu->exited();
    CHECK(rig.decoded().slots == 1u << first_watch);
    CHECK(rig.get(reg::pc) == Arm64Rig::entry);
    CHECK((rig.ram[Arm64Rig::data] == std::byte{0x77}) == (round != 0));
    CHECK(rig.step() == 1);
    CHECK(rig.get(reg::pc) == Arm64Rig::entry + 4);
    CHECK(rig.ram[Arm64Rig::data] == std::byte{0x77});
  }
}

TEST_CASE("65: 10000 steps of a loop that writes the guest's own debug registers") {
  Arm64Rig rig;
  const std::uint64_t bvr0 = reg::sysreg(2, 0, 0, 0, 4), wvr0 = reg::sysreg(2, 0, 0, 0, 6);
  // add x1, x1, #1; msr dbgbvr0_el1, x1; msr dbgwvr0_el1, x1; mrs x4, dbgbvr0_el1; b .-16
  rig.kernel.put(Arm64Rig::entry,
                 {a64::add_x1_1, 0xd5100081, 0xd51000c1, 0xd5300084, a64::branch(-4)});
  std::uint64_t at = Arm64Rig::entry;
  for (int i = 0; i < 10000; ++i) {
    REQUIRE(rig.step(false) == 1);
    at = at == Arm64Rig::entry + 16 ? Arm64Rig::entry : at + 4;
    REQUIRE(rig.get(reg::pc) == at);
  }
  CHECK(rig.get(reg::x(1)) == 2000);
  CHECK(rig.get(bvr0) == 2000);
  CHECK(rig.get(wvr0) == 2000);
  CHECK(rig.get(reg::x(4)) == 2000);
  CHECK(rig.read("dbgbvr0") == 2000);
  CHECK(rig.asked(arm64::set_guest_debug) == 1);
}

TEST_CASE("65: a step costs KVM_RUN and one read, unless the instruction may remap memory") {
  Arm64Rig rig;
  rig.kernel.put(Arm64Rig::entry, {a64::nop, a64::add_x1_1, a64::add_x1_1, a64::add_x1_1});
  rig.step();
  rig.step(); // a nop is of the system class
  rig.kernel.log.clear();
  rig.step();
  CHECK(rig.kernel.log == std::vector<unsigned long>{KVM_RUN, arm64::get_one_reg});
}

TEST_CASE("66: with nothing armed the guest's own debugging does not come out") {
  Arm64Rig rig;
  rig.kernel.put(Arm64Rig::entry, {a64::brk(7)});
  rig.kernel.put(Arm64Rig::vectors + 0x200, {a64::wfi});
  REQUIRE(rig.cpu->arm({.software = true}));
  REQUIRE(rig.cpu->arm({}));
  auto ran = rig.vcpu.run();
  REQUIRE_FALSE(ran);
  CHECK(ran.error().sys_errno == EINTR); // in the handler's WFI
  CHECK(rig.get(reg::esr_el1) == hsr(0x3c, 7));
}

TEST_CASE("66: exits that are in no plan of ours are the guest's") {
  Arm64Rig rig;
  REQUIRE(rig.cpu->arm({.software = true}));
  for (const std::uint32_t cause : {0x30u, 0x32u, 0x34u, 0x3au}) {
    INFO("cause " << cause);
    rig.debug_exit(hsr(cause), 0x2000);
    const Trap trap = rig.decoded();
    CHECK(trap.guests);
    CHECK(trap.slots == 0);
    CHECK_FALSE(trap.stepped);
    CHECK_FALSE(trap.software);
  }
  rig.kernel.page(rig.fd).exit_reason = KVM_EXIT_MMIO;
  auto none = rig.cpu->decode_exit();
  REQUIRE(none);
  CHECK_FALSE((*none).has_value());
}

TEST_CASE("68: 16 pairs are the most, and as many as the CPU has are used") {
  HostFacts facts = arm64_works();
  facts.exec_slots = 40;
  facts.watch_slots = 2;
  const Arm64Rig rig(facts);
  CHECK(rig.arch->slots_for(PointKind::hardware).count == 16);
  CHECK(rig.arch->slots_for(PointKind::read).first == 16);
  CHECK(rig.arch->slots_for(PointKind::read).count == 2);
  CHECK(rig.arch->split_watch(PointKind::write, 0x2004, 8).size() == 2);
  CHECK(rig.arch->split_watch(PointKind::write, 0x2004, 16).empty());
}
