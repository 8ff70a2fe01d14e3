// The engine on arm64: points, watches, steps and the guest's own exceptions, end to end.
#include "adapter/core_header.hpp"
#include "tests/arch_contract/arm64_rig.hpp"
#include "tests/fakes/scripted_arm64_vmm.hpp"

#include <cerrno>

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::test;

namespace {

constexpr std::uint64_t entry = ScriptedArm64Vmm::entry, data = ScriptedArm64Vmm::data,
                        vectors = ScriptedArm64Vmm::vectors;

struct Rig {
  explicit Rig(std::initializer_list<std::uint32_t> code,
               std::size_t vcpus = 1,
               const HostFacts& given = arm64_works())
      : facts(given),
        vmm(facts, code, vcpus),
        engine(vmm, *vmm.arch, facts, [this](const Event& event) {
          if (const auto* stopped = std::get_if<Stopped>(&event)) stops.push_back(stopped->stop);
        }) {
    vmm.engine = &engine;
    original = vmm.ram;
  }
  void go(Motion motion) {
    const std::size_t before = stops.size();
    REQUIRE(engine.resume(Resume{std::vector<Motion>(vmm.vcpu_count(), motion)}));
    vmm.drain();
    REQUIRE(stops.size() == before + 1);
  }
  template <class Reason>
  const Reason* last(std::size_t vcpu = 0) const {
    for (const VcpuStop& stopped : stops.back().vcpus) {
      if (index(stopped.vcpu) != vcpu) continue;
      for (const StopReason& reason : stopped.reasons) {
        if (const auto* found = std::get_if<Reason>(&reason)) return found;
      }
    }
    return nullptr;
  }
  std::uint64_t pc(std::size_t n = 0) const { return vmm.get(reg::pc, n); }
  HostFacts facts;
  ScriptedArm64Vmm vmm;
  std::vector<Stop> stops;
  Engine engine;
  Bytes original;
};
Point at(PointKind kind, std::uint64_t address, std::uint64_t length = 4) {
  return {kind, Address{address}, length};
}

} // namespace

TEST_CASE("64: software points stop, are hidden, and are passed, on one vCPU and on two") {
  for (const std::size_t vcpus : {1, 2}) {
    Rig rig({a64::add_x1_1, a64::add_x0_1, a64::branch(-2)}, vcpus);
    const Point point = at(PointKind::software, entry + 4);
    REQUIRE(rig.engine.insert(VcpuId{0}, point));
    for (std::uint64_t round = 1; round <= 3; ++round) {
      rig.go(Motion::run);
      REQUIRE(rig.last<HitPoint>() != nullptr);
      CHECK(rig.last<HitPoint>()->point == point);
      CHECK(rig.pc() == entry + 4);
      CHECK(rig.vmm.get(reg::x(1)) == round);
      auto seen = rig.engine.read_memory(VcpuId{0}, Address{entry}, 12);
      REQUIRE(seen);
      CHECK(*seen == Bytes(rig.original.begin() + entry, rig.original.begin() + entry + 12));
    }
    REQUIRE(rig.engine.remove(point));
    REQUIRE(rig.engine.withdraw());
    CHECK(rig.vmm.ram == rig.original);
    CHECK(rig.vmm.kernel.debug(rig.vmm.fd()) == arm64::GuestDebug{});
  }
}

TEST_CASE("67: six hardware points fire each in turn, a seventh is refused") {
  Rig rig({a64::nop, a64::nop, a64::nop, a64::nop, a64::nop, a64::nop, a64::nop, a64::branch(-7)});
  for (std::uint64_t n = 0; n < 6; ++n)
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::hardware, entry + 4 * (n + 1))));
  auto seventh = rig.engine.insert(VcpuId{0}, at(PointKind::hardware, entry));
  REQUIRE_FALSE(seventh);
  CHECK(seventh.error().code == Code::no_free_slot);
  CHECK(seventh.error().what.find("all 6 hardware slots") != std::string::npos);
  // watchpoints have pairs of their own
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::write, data, 8)));
  for (std::uint64_t n = 0; n < 12; ++n) {
    rig.go(Motion::run);
    REQUIRE(rig.last<HitPoint>() != nullptr);
    CHECK(rig.pc() == entry + 4 * (n % 6 + 1));
  }
  CHECK(rig.engine.points().back().strategy.find("slot 16") != std::string::npos);
}

TEST_CASE("69: a write watch stops before the store, shows its values, and lets it by") {
  Rig rig({a64::add_x1_1, a64::str_x1_x2, a64::ldr_x1_x2, a64::branch(-3)});
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::write, data, 8)));
  for (std::uint64_t round = 1; round <= 3; ++round) {
    rig.go(Motion::run);
    const auto* hit = rig.last<HitWatch>();
    REQUIRE(hit != nullptr);
    CHECK(hit->address == data);
    CHECK(rig.pc() == entry + 4);
    CHECK(rig.vmm.ram[data] == static_cast<std::byte>(round - 1)); // still to be done
  }
  CHECK(rig.vmm.served.empty());
}

TEST_CASE("69: a store whose watch's rule says no is done, with and without a point there") {
  for (const bool pointed : {false, true}) {
    Rig rig({a64::add_x1_1, a64::str_x1_x2, a64::ldr_x1_x2, a64::branch(-3)});
    const Point watch = at(PointKind::write, data, 8), point = at(PointKind::software, entry + 4);
    REQUIRE(rig.engine.insert(VcpuId{0}, watch));
    REQUIRE(rig.engine.agree(watch, {{ClientId{1}, {.hits = *parse_hits("%3")}}}));
    if (pointed) {
      REQUIRE(rig.engine.insert(VcpuId{0}, point));
      REQUIRE(rig.engine.agree(point, {{ClientId{1}, {.hits = *parse_hits(">100")}}}));
    }
    for (std::uint64_t round = 1; round <= 3; ++round) {
      rig.go(Motion::run);
      REQUIRE(rig.last<HitWatch>() != nullptr);
      CHECK(rig.last<HitPoint>() == nullptr);
      CHECK(rig.pc() == entry + 4);
      CHECK(rig.vmm.ram[data] == static_cast<std::byte>(3 * round - 1));
    }
  }
}

TEST_CASE("69: a step over a watched store reports it once and moves on") {
  Rig rig({a64::add_x1_1, a64::str_x1_x2, a64::nop, a64::branch(-3)});
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::write, data, 8)));
  rig.go(Motion::step);
  CHECK(rig.pc() == entry + 4);
  rig.go(Motion::step);
  CHECK(rig.last<HitWatch>() != nullptr);
  CHECK(rig.pc() == entry + 4);
  rig.go(Motion::step);
  CHECK(rig.last<HitWatch>() == nullptr);
  CHECK(rig.last<Stepped>() != nullptr);
  CHECK(rig.pc() == entry + 8);
  CHECK(rig.vmm.ram[data] == std::byte{1});
}

TEST_CASE("69: a store that is watched and has a point is told of as both, each time round") {
  Rig rig({a64::add_x1_1, a64::str_x1_x2, a64::branch(-2)});
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::write, data, 8)));
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::software, entry + 4)));
  for (int round = 1; round <= 3; ++round) {
    INFO("round " << round);
    rig.go(Motion::run);
    CHECK(rig.last<HitPoint>() != nullptr);
    CHECK(rig.last<HitWatch>() == nullptr);
    rig.go(Motion::run);
    CHECK(rig.last<HitWatch>() != nullptr);
    CHECK(rig.pc() == entry + 4);
  }
}

TEST_CASE("69: a read watch stops at loads alone") {
  Rig rig({a64::str_x1_x2, a64::add_x1_1, a64::ldrb_w1_x2, a64::branch(-3)});
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::read, data, 1)));
  rig.go(Motion::run);
  REQUIRE(rig.last<HitWatch>() != nullptr);
  CHECK(rig.pc() == entry + 8);
  rig.go(Motion::run);
  CHECK(rig.pc() == entry + 8);
}

TEST_CASE("68: more than the pairs cover is watched by stepping, reads and writes told apart") {
  HostFacts facts = arm64_works();
  facts.watch_slots = 1;
  Rig rig({a64::add_x1_1, a64::ldr_x1_x2, a64::str_x1_x2, a64::branch(-3)}, 1, facts);
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::read, data + 3, 8))); // crosses a line
  rig.go(Motion::run);
  REQUIRE(rig.last<HitWatch>() != nullptr);
  CHECK(rig.pc() == entry + 8); // after the load: compared
  REQUIRE(rig.engine.remove(at(PointKind::read, data + 3, 8)));
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::write, data + 3, 8)));
  rig.go(Motion::run);
  REQUIRE(rig.last<HitWatch>() != nullptr);
  CHECK(rig.pc() == entry + 12);
}

TEST_CASE("65: 10000 steps, each one instruction") {
  Rig rig({a64::add_x1_1, a64::branch(-1)});
  for (int i = 0; i < 5000; ++i) {
    rig.go(Motion::step);
    REQUIRE(rig.pc() == entry + 4);
    rig.go(Motion::step);
    REQUIRE(rig.pc() == entry);
  }
  CHECK(rig.vmm.get(reg::x(1)) == 5000);
}

TEST_CASE("70: steps stay in line with an interrupt pending, and a run then takes it") {
  Rig rig({a64::read_daif_x1, a64::clear_irq, a64::add_x0_1, a64::nop});
  rig.vmm.kernel.put(vectors + 0x280, {a64::branch_to_itself});
  rig.vmm.kernel.irq_pending(rig.vmm.fd()) = true;
  for (std::uint64_t n = 1; n <= 3; ++n) {
    rig.go(Motion::step);
    CHECK(rig.pc() == entry + 4 * n);
    auto shown = rig.engine.read_register(VcpuId{0}, rig.engine.arch().flags_register);
    REQUIRE(shown);
    CHECK(*shown == Bytes{std::byte{5}, std::byte{0}, std::byte{0}, std::byte{0}});
  }
  CHECK(rig.vmm.get(reg::x(1)) == 0);
  rig.vmm.parks_after_eintr = 1;
  rig.go(Motion::run);
  CHECK(rig.pc() == vectors + 0x280);
  CHECK(rig.vmm.get(reg::spsr_el1) == 5);
  CHECK(rig.vmm.get(reg::elr_el1) == entry + 12);
}

TEST_CASE("71: stepping through a load-exclusive loop finishes it, with points on both sides") {
  Rig rig({a64::ldxr_x1_x2, a64::add_x1_1, a64::stxr_w3_x1_x2, a64::cbnz_w3(-3), a64::nop});
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::software, entry)));
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::software, entry + 16)));
  for (int steps = 0; rig.pc() != entry + 16; ++steps) {
    REQUIRE(steps < 10);
    rig.go(Motion::step);
  }
  CHECK(rig.vmm.ram[data] == std::byte{1});
  CHECK(rig.last<HitPoint>() != nullptr);
}

TEST_CASE("71: with every pair in use by points the loop is stepped into, not run away from") {
  Rig rig({a64::ldxr_x1_x2, a64::add_x1_1, a64::stxr_w3_x1_x2, a64::cbnz_w3(-3), a64::nop});
  for (std::uint64_t n = 0; n < 6; ++n)
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::hardware, 0x8000 + 4 * n)));
  rig.go(Motion::step);
  CHECK(rig.pc() == entry + 4);
}

TEST_CASE("72: the guest's BRK goes back to it while points are in place, run or stepped") {
  for (const Motion motion : {Motion::run, Motion::step}) {
    Rig rig({a64::brk(0x10), a64::nop});
    rig.vmm.kernel.put(vectors + 0x200, {a64::add_x1_1, a64::branch_to_itself});
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::software, vectors + 0x204)));
    rig.go(motion);
    CHECK(rig.vmm.get(reg::elr_el1) == entry);
    CHECK(rig.vmm.get(reg::spsr_el1) == 5);
    CHECK(rig.vmm.get(reg::esr_el1) == (0x3cu << 26 | 1u << 25 | 0x10));
    CHECK(rig.pc() == vectors + (motion == Motion::run ? 0x204 : 0x200));
  }
}

TEST_CASE(
    "72: our instruction where the guest has a BRK of its own is ours first, then the guest's") {
  Rig rig({a64::brk(0), a64::nop});
  rig.vmm.kernel.put(vectors + 0x200, {a64::branch_to_itself});
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::software, entry)));
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::hardware, vectors + 0x200)));
  rig.go(Motion::run);
  CHECK(rig.pc() == entry);
  CHECK(rig.vmm.get(reg::elr_el1) == 0);
  rig.go(Motion::run);
  CHECK(rig.pc() == vectors + 0x200);
  CHECK(rig.vmm.get(reg::elr_el1) == entry);
}

TEST_CASE("73: stepping MMIO stores and loads: one stop each, one access each") {
  for (const bool twice : {false, true}) {
    Rig rig({a64::str_w1_x2, a64::ldr_x1_x2, a64::add_x0_1, a64::add_x0_1});
    rig.vmm.kernel.pays_steps_twice = twice;
    rig.vmm.set(reg::x(2), ScriptedArm64Vmm::device);
    for (std::uint64_t n = 1; n <= 4; ++n) {
      rig.go(Motion::step);
      CHECK(rig.pc() == entry + 4 * n);
      CHECK(rig.last<Stepped>() != nullptr);
    }
    CHECK(rig.vmm.served.size() == 2);
    CHECK(rig.vmm.get(reg::x(0)) == 2);
  }
}

TEST_CASE("70: a kicked WFI is a step; a vCPU that is off is stepped at once") {
  Rig rig({a64::wfi, a64::nop});
  rig.vmm.parks_after_eintr = 1;
  rig.go(Motion::step);
  CHECK(rig.pc() == entry + 4);
  Rig off({a64::nop});
  off.vmm.kernel.mp_state(off.vmm.fd()) = arm64::mp_stopped;
  off.go(Motion::step);
  CHECK(off.pc() == entry);
  CHECK(off.engine.describe(VcpuId{0}).find("powered off") != std::string::npos);
}

TEST_CASE("exceptions are caught at the vectors, with their syndrome") {
  Rig rig({a64::svc_0, a64::nop});
  rig.vmm.kernel.put(vectors + 0x200, {a64::eret});
  Point point = at(PointKind::exception, 4, 1);
  REQUIRE(rig.engine.insert(VcpuId{0}, point));
  rig.go(Motion::run);
  REQUIRE(rig.last<Caught>() != nullptr);
  CHECK(rig.pc() == vectors + 0x200);
  rig.go(Motion::step);
  CHECK(rig.pc() == entry + 4);
}

TEST_CASE("catchpoints for what arm64 has not are refused, not kept for ever") {
  Rig rig({a64::nop});
  for (const Point& none :
       {at(PointKind::port, 0x3f8, 1), at(PointKind::exception, 16, 1), at(PointKind::msr, 0, 1)}) {
    INFO(describe(none));
    CHECK_FALSE(rig.engine.insert(VcpuId{0}, none));
  }
  CHECK(rig.engine.insert(VcpuId{0}, at(PointKind::exception, 15, 1)));
}

TEST_CASE("any ioctl may fail at any moment: a stop that says so, and no trace in guest memory") {
  int failures = 0;
  for (const int error : {EIO, EINTR}) {
    bool failed = true;
    for (int nth = 0; failed; ++nth) {
      REQUIRE(nth < 1000);
      INFO("errno " << error << " at ioctl " << nth);
      Rig rig({a64::ldxr_x1_x2, a64::add_x1_1, a64::stxr_w3_x1_x2, a64::cbnz_w3(-3),
               a64::read_daif_x1, a64::svc_0, a64::str_x1_x2, a64::brk(9)});
      rig.vmm.kernel.put(vectors + 0x200, {a64::eret});
      REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::software, entry + 16)));
      REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::write, data, 8)));
      REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::hardware, vectors + 0x200)));
      rig.vmm.kernel.fail_nth(nth, error);
      for (int i = 0; i < 12; ++i) {
        auto resumed = rig.engine.resume(Resume{{i % 3 == 0 ? Motion::run : Motion::step}});
        rig.vmm.drain();
        if (resumed) CHECK_FALSE(rig.engine.running());
      }
      failed = !rig.vmm.kernel.failure_pending();
      if (failed) ++failures;
      rig.vmm.kernel.fail_nth(-1, 0);
      REQUIRE(rig.engine.withdraw());
      CHECK(std::equal(rig.vmm.ram.begin() + entry, rig.vmm.ram.begin() + entry + 32,
                       rig.original.begin() + entry));
      CHECK(rig.vmm.kernel.debug(rig.vmm.fd()) == arm64::GuestDebug{});
    }
  }
  CHECK(failures > 100);
}

TEST_CASE("a core file of arm64: general registers, vectors whole, by Linux's layout") {
  for (const bool scalable : {false, true}) {
    HostFacts facts = arm64_works();
    facts.sve = scalable;
    facts.sve_bytes = 32;
    Rig rig({a64::nop}, 2, facts);
    if (scalable) {
      rig.vmm.kernel.give_sve(rig.vmm.fd(0), 32);
      rig.vmm.kernel.give_sve(rig.vmm.fd(1), 32);
    }
    Bytes& last = rig.vmm.kernel.bytes(rig.vmm.fd(1), scalable ? reg::z(31) : reg::v(31));
    for (std::size_t i = 0; i < 16; ++i)
      last[i] = static_cast<std::byte>(0xa0 + i);
    rig.vmm.set(reg::x(30), 0x1122334455667788, 1);
    rig.vmm.set(reg::fpcr, 0x3000000, 1);
    auto made = render_core_header(rig.engine);
    REQUIRE(made);
    const Bytes& file = *made;
    const auto word = [&](std::size_t at, std::size_t bytes) {
      std::uint64_t out = 0;
      std::memcpy(&out, file.data() + at, bytes);
      return out;
    };
    CHECK(word(18, 2) == 183);
    // notes: "CORE" with 20 bytes of header each; 392 and 528 bytes, of two vCPUs
    const std::size_t notes = word(64 + 8, 8), second = notes + 20 + 392 + 20 + 528;
    CHECK(word(second + 4, 4) == 392);
    CHECK(word(second + 8, 4) == 1);
    CHECK(word(second + 20 + 32, 4) == 2); // thread id
    CHECK(word(second + 20 + 112 + 30 * 8, 8) == 0x1122334455667788);
    CHECK(word(second + 20 + 112 + 32 * 8, 8) == entry);
    CHECK(word(second + 20 + 112 + 33 * 8, 8) == 5);
    const std::size_t vectors_at = second + 20 + 392 + 20;
    CHECK(word(vectors_at - 16, 4) == 528);
    CHECK(word(vectors_at - 12, 4) == 2);
    CHECK(word(vectors_at + 31 * 16, 8) == 0xa7a6a5a4a3a2a1a0);
    CHECK(word(vectors_at + 31 * 16 + 8, 8) == 0xafaeadacabaaa9a8);
    CHECK(word(vectors_at + 32 * 16 + 4, 4) == 0x3000000);
  }
}
