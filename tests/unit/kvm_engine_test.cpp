// The engine on a scripted KVM: every strategy, steps, and what is the guest's own.
#include "tests/unit/kvm_engine_rig.hpp"

using namespace kdbg;
using namespace kdbg::test::on_scripted_kvm;
using kdbg::test::ScriptedVmm;

TEST_CASE(
    "a software point stops at its instruction, is hidden, and is passed by the next resume") {
  for (const HostFacts& facts : {hardware(), emulating()}) {
    Rig rig(facts, {0x90, 0x90, 0x90, 0xeb, 0xfb}); // nop nop nop jmp -5
    const Point point = at(PointKind::software, entry + 2);
    REQUIRE(rig.engine.insert(VcpuId{0}, point));
    for (int round = 0; round < 3; ++round) {
      REQUIRE(rig.resume(Motion::run));
      REQUIRE(rig.last<HitPoint>() != nullptr);
      CHECK(rig.last<HitPoint>()->point == point);
      CHECK(rig.vmm.rip() == entry + 2);
      auto seen = rig.engine.read_memory(VcpuId{0}, Address{entry}, 5);
      REQUIRE(seen);
      CHECK(*seen == Bytes(rig.original.begin() + entry, rig.original.begin() + entry + 5));
    }
    CHECK(rig.engine.points().at(0).hits == 3);
    REQUIRE(rig.engine.remove(point));
    REQUIRE(rig.resume(Motion::step));
    CHECK(rig.vmm.ram == rig.original);
    CHECK(rig.vmm.rip() == entry + 3);
  }
}

TEST_CASE("a step through a range ends at the first pc outside, or at whatever else stops it") {
  for (const HostFacts& facts : {hardware(), emulating()}) {
    Rig rig(facts, {0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xf4});
    const auto through = [&](std::uint64_t begin, std::uint64_t end) {
      REQUIRE(
          rig.engine.resume(Resume{std::vector{Motion::step}, std::vector{StepRange{begin, end}}}));
      rig.vmm.drain();
      return rig.vmm.rip();
    };
    CHECK(through(entry, entry + 3) == entry + 3);
    CHECK(rig.last<Stepped>() != nullptr);
    CHECK(rig.stops.back().vcpus[0].reasons.size() == 1);
    CHECK(through(entry, entry + 3) == entry + 4); // outside from the start: one step
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::software, entry + 5)));
    CHECK(through(entry, entry + 7) == entry + 5);
    CHECK(rig.last<HitPoint>() != nullptr);
    CHECK(rig.stops.size() == 3);
  }
}

TEST_CASE("a step through a range ends where the vCPU waits for an interrupt") {
  Rig rig(hardware(), {0x90, 0xf4, 0x90, 0x90}); // hlt
  REQUIRE(rig.engine.resume(
      Resume{std::vector{Motion::step}, std::vector{StepRange{entry, entry + 4}}}));
  rig.vmm.drain();
  CHECK(rig.vmm.rip() == entry + 2);
  CHECK(rig.last<Stepped>() != nullptr);
}

TEST_CASE("where int3 only fails to emulate, software points take slots first, then int3") {
  Rig rig(emulating(), {0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xf4});
  for (std::uint64_t i = 0; i < 5; ++i)
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::software, entry + 1 + i)));
  for (std::uint64_t i = 0; i < 5; ++i) {
    REQUIRE(rig.resume(Motion::run));
    REQUIRE(rig.last<HitPoint>() != nullptr);
    CHECK(rig.vmm.rip() == entry + 1 + i);
  }
  const auto points = rig.engine.points();
  CHECK(points[0].strategy == "hardware slot 0");
  CHECK(points[4].strategy.find("failed emulation") != std::string::npos);
  REQUIRE(rig.engine.withdraw());
  CHECK(rig.vmm.ram == rig.original);
}

TEST_CASE(
    "a hardware point displaces a software one from its slot; a fifth hardware point is refused") {
  Rig rig(emulating(), {0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xf4});
  for (std::uint64_t i = 0; i < 4; ++i)
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::software, entry + i)));
  for (std::uint64_t i = 0; i < 4; ++i)
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::hardware, entry + 1 + i)));
  auto fifth = rig.engine.insert(VcpuId{0}, at(PointKind::hardware, entry + 5));
  REQUIRE_FALSE(fifth);
  CHECK(fifth.error().code == Code::no_free_slot);
  CHECK(fifth.error().what ==
        "cannot insert hardware point at 0x1005: all 4 hardware slots are in use");
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.vmm.rip() == entry); // the software point at the entry, now an int3
}

TEST_CASE("slots are stable: removing one leaves the others where they are") {
  Rig rig(hardware(), {0xeb, 0xfe});
  const auto slots = [&] {
    std::vector<std::string> out;
    for (const PointState& state : rig.engine.points())
      out.push_back(state.strategy);
    return out;
  };
  for (std::uint64_t i = 0; i < 4; ++i)
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::hardware, entry + 0x10 + i)));
  REQUIRE(rig.resume(Motion::step));
  REQUIRE(rig.engine.remove(at(PointKind::hardware, entry + 0x11)));
  REQUIRE(rig.resume(Motion::step));
  CHECK(slots() ==
        std::vector<std::string>{"hardware slot 0", "hardware slot 2", "hardware slot 3"});
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::hardware, entry + 0x20)));
  REQUIRE(rig.resume(Motion::step));
  CHECK(slots().back() == "hardware slot 1");
}

TEST_CASE("a step executes one instruction, also off a site and onto one") {
  for (const HostFacts& facts : {hardware(), emulating()}) {
    Rig rig(facts, {0x90, 0x90, 0x90, 0xf4});
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::software, entry)));
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::hardware, entry + 1)));
    REQUIRE(rig.resume(Motion::step));
    CHECK(rig.vmm.rip() == entry + 1);
    CHECK(rig.last<Stepped>() != nullptr);
    REQUIRE(rig.last<HitPoint>() != nullptr); // arriving at a site is hitting it, once
    REQUIRE(rig.resume(Motion::step));
    CHECK(rig.vmm.rip() == entry + 2);
    CHECK(rig.last<HitPoint>() == nullptr);
  }
}

TEST_CASE("a step onto a slot is one stop, whether or not its exit tells of both") {
  const bool both = GENERATE(false, true);
  Rig rig(hardware(), {0x90, 0x90, 0x90, 0xf4});
  rig.vmm.kernel.step_tells_slots = both;
  rig.vmm.kernel.honours_resume_flag = false;
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::hardware, entry + 1)));
  REQUIRE(rig.resume(Motion::step));
  CHECK(rig.vmm.rip() == entry + 1);
  REQUIRE(rig.last<HitPoint>() != nullptr);
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.vmm.rip() == entry + 4); // at the end, not told of the point again
  CHECK(rig.last<HitPoint>() == nullptr);
}

TEST_CASE("a watch reports old and new value, by slot and by stepping") {
  for (const HostFacts& facts : {hardware(), emulating()}) {
    Rig rig(facts, {0x90, 0xff, 0x07, 0x90, 0xeb, 0xfa}); // nop; inc dword [rdi]; nop; jmp
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::write, ScriptedVmm::data, 4)));
    for (unsigned value = 1; value < 4; ++value) {
      REQUIRE(rig.resume(Motion::run));
      REQUIRE(rig.last<HitWatch>() != nullptr);
      CHECK(rig.last<HitWatch>()->before == Bytes{std::byte(value - 1), {}, {}, {}});
      CHECK(rig.last<HitWatch>()->after == Bytes{std::byte(value), {}, {}, {}});
      CHECK(rig.vmm.rip() == entry + 3);
    }
  }
}

TEST_CASE("a vCPU that steps for a watch tells first of the slot that it was held at") {
  Rig rig(emulating(), {0x90, 0x90, 0xeb, 0xfd}); // nop; nop; jmp to the second
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::access, ScriptedVmm::data, 4)));
  for (const std::uint64_t where : {entry, entry + 1, entry + 1}) { // each once a round
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::hardware, where)));
    REQUIRE(rig.resume(Motion::run));
    const auto* hit = rig.last<HitPoint>();
    REQUIRE(hit != nullptr);
    CHECK(hit->point.at.value == where);
    CHECK(rig.vmm.rip() == where);
  }
}

TEST_CASE("a step that hits a watch says both") {
  Rig rig(hardware(), {0xff, 0x07, 0xf4});
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::access, ScriptedVmm::data, 4)));
  REQUIRE(rig.resume(Motion::step));
  CHECK(rig.last<Stepped>() != nullptr);
  CHECK(rig.last<HitWatch>() != nullptr);
}

TEST_CASE("a write to a protected page is done by the engine, once, and told to its watch") {
  for (HostFacts facts : {hardware(), emulating()}) {
    facts.write_protect = true;
    facts.data_watch = false;
    Rig rig(facts, {0x90, 0xff, 0x07, 0x90, 0xeb, 0xfa}); // nop; inc dword [rdi]; nop; jmp
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::write, ScriptedVmm::data + 2, 1)));
    CHECK(rig.engine.points()[0].strategy == "pending: placed at the next resume");
    for (unsigned value = 1; value < 4; ++value) {
      REQUIRE(rig.resume(value == 2 ? Motion::step : Motion::run));
      if (value == 2) REQUIRE(rig.resume(Motion::step)); // jmp; nop; the write
      if (value == 2) REQUIRE(rig.resume(Motion::step));
      if (value == 2) REQUIRE(rig.resume(Motion::step));
      CHECK(rig.vmm.protected_pages == std::vector{ScriptedVmm::data});
      REQUIRE(rig.last<HitWatch>() != nullptr);
      CHECK(rig.last<HitWatch>()->address == ScriptedVmm::data + 2);
      CHECK(rig.last<HitWatch>()->before == Bytes{std::byte{0}});
      CHECK(rig.last<HitWatch>()->after == Bytes{std::byte{0}});
      CHECK((rig.last<Stepped>() != nullptr) == (value == 2));
      CHECK(rig.vmm.rip() == entry + 3);
      CHECK(rig.vmm.ram[ScriptedVmm::data] == std::byte(value));
    }
    CHECK(rig.engine.points()[0].strategy == "writes to its page exit: read-only memory slot");
    CHECK(rig.vmm.served == 0);
    // a write beside the watch is done and nothing is said
    REQUIRE(rig.engine.remove(at(PointKind::write, ScriptedVmm::data + 2, 1)));
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::write, ScriptedVmm::data + 8, 4)));
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::hardware, entry)));
    REQUIRE(rig.resume(Motion::run));
    REQUIRE(rig.resume(Motion::run));
    CHECK(rig.last<HitPoint>() != nullptr);
    CHECK(rig.vmm.ram[ScriptedVmm::data] == std::byte{4});
    REQUIRE(rig.engine.withdraw());
    CHECK(rig.vmm.protected_pages.empty());
  }
}

TEST_CASE("an instruction that cannot be emulated on a protected page is stepped with it open") {
  HostFacts facts = emulating();
  facts.write_protect = true;
  Rig rig(facts, {0x90, 0xff, 0x07, 0x90, 0xeb, 0xfa});
  rig.vmm.kernel.fails_on_read_only = true;
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::write, ScriptedVmm::data, 4)));
  for (unsigned value = 1; value < 4; ++value) {
    REQUIRE(rig.resume(Motion::run));
    REQUIRE(rig.last<HitWatch>() != nullptr);
    CHECK(rig.last<HitWatch>()->before == Bytes{std::byte(value - 1), {}, {}, {}});
    CHECK(rig.last<HitWatch>()->after == Bytes{std::byte(value), {}, {}, {}});
    CHECK(rig.last<Crashed>() == nullptr);
    CHECK(rig.vmm.rip() == entry + 3);
    CHECK(rig.vmm.protected_pages == std::vector{ScriptedVmm::data}); // again
  }
}

TEST_CASE("no page is protected when a second vCPU could write to it between read and write") {
  HostFacts facts = emulating();
  facts.write_protect = true;
  Rig rig(facts, {0x90, 0xff, 0x07, 0x90, 0xeb, 0xfa}, 2);
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::write, ScriptedVmm::data, 4)));
  REQUIRE(rig.resume({Motion::run, Motion::hold}));
  REQUIRE(rig.last<HitWatch>() != nullptr);
  CHECK(rig.vmm.protected_pages.empty());
  CHECK(rig.engine.points()[0].strategy == "every instruction single-stepped: slow");
}

TEST_CASE("a point that is pending while the guest runs is placed when its page is there") {
  HostFacts facts = hardware();
  facts.hardware_exec = facts.data_watch = false;
  Rig rig(facts, {0x90, 0x90, 0xeb, 0xfc});
  const Point nowhere{PointKind::software, {0x7000, {Space::Kind::physical}}, 1};
  REQUIRE(rig.engine.insert(VcpuId{0}, nowhere));
  REQUIRE(rig.engine.resume(Resume{std::vector{Motion::run}}));
  rig.engine.look(false);
  CHECK(rig.vmm.halting());
  CHECK(rig.engine.points()[0].strategy.starts_with("pending, polled"));
  rig.vmm.drain_some(1);
  CHECK(rig.stops.empty()); // nobody hears of the pause
  rig.engine.interrupt({});
  rig.vmm.drain();
  CHECK(rig.stops.size() == 1);
  REQUIRE(rig.engine.remove(nowhere));
  REQUIRE(rig.engine.resume(Resume{std::vector{Motion::run}}));
  rig.engine.look(false);
  CHECK_FALSE(rig.vmm.halting()); // nothing to look for
}

TEST_CASE("a guest that writes over a breakpoint instruction does not lose it") {
  HostFacts facts = hardware();
  facts.hardware_exec = facts.data_watch = false;
  Rig rig(facts, {0x90, 0x90, 0xeb, 0xfc});
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::software, ScriptedVmm::data)));
  rig.vmm.ram[ScriptedVmm::data] = std::byte{0x90};
  REQUIRE(rig.engine.resume(Resume{std::vector{Motion::run}}));
  CHECK(rig.vmm.ram[ScriptedVmm::data] == std::byte{0xcc});
  rig.vmm.ram[ScriptedVmm::data] = std::byte{0x55}; // the guest's loader
  rig.engine.look(false);
  rig.vmm.drain_some(1);
  CHECK(rig.vmm.ram[ScriptedVmm::data] == std::byte{0xcc});
  rig.engine.interrupt({});
  rig.vmm.drain();
  REQUIRE(rig.engine.withdraw());
  CHECK(rig.vmm.ram[ScriptedVmm::data] == std::byte{0x55});
}

TEST_CASE("watches of awkward lengths are split over slots, or stepped for") {
  Rig rig(hardware(), {0xeb, 0xfe});
  CHECK(rig.engine.insert(VcpuId{0}, at(PointKind::write, 0x2001, 7))); // 1 + 2 + 4
  CHECK(rig.engine.insert(VcpuId{0}, at(PointKind::write, 0x3000, 16)));
  REQUIRE(rig.resume(Motion::step));
  CHECK(rig.engine.points()[0].strategy == "hardware slot 0 1 2");
  CHECK(rig.engine.points()[1].strategy.find("single-stepped") != std::string::npos);
  CHECK_FALSE(rig.engine.insert(VcpuId{0}, at(PointKind::write, ~std::uint64_t{0}, 2)));
  CHECK_FALSE(rig.engine.insert(VcpuId{0}, at(PointKind::write, 0x3000, 0)));
}

TEST_CASE("a stepped OUT ends once, whether or not KVM delivers its trap") {
  for (const bool squashes : {false, true}) {
    Rig rig(hardware(), {0xe6, 0x80, 0x90, 0xf4});
    rig.vmm.kernel.squashes_out_step = squashes;
    REQUIRE(rig.resume(Motion::step));
    CHECK(rig.last<Stepped>() != nullptr);
    CHECK(rig.vmm.rip() == entry + 2);
    CHECK(rig.vmm.served == 1);
  }
}

TEST_CASE("an int3 that is not ours is the guest's, with the pc it expects") {
  for (const HostFacts& facts : {hardware(), emulating()}) {
    Rig rig(facts, {0x90, 0xcc, 0x90, 0xf4});
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::software, entry + 3)));
    REQUIRE(rig.resume(Motion::run));
    CHECK(rig.last<HitPoint>() == nullptr);
    REQUIRE(rig.vmm.kernel.delivered.size() == 1);
    CHECK(rig.vmm.kernel.delivered[0].vector == 3);
    CHECK(rig.vmm.kernel.delivered[0].pushed == entry + 2);
  }
}

TEST_CASE("the guest's own trap flag survives our steps and gets its own trap") {
  Rig rig(hardware(), {0x90, 0x90, 0x90, 0xf4});
  rig.vmm.kernel.regs(rig.vmm.fd()).rflags |= x86::flag_tf;
  REQUIRE(rig.resume(Motion::step));
  const auto flags = rig.engine.read_register(VcpuId{0}, rig.engine.arch().flags_register);
  REQUIRE(flags);
  CHECK((std::to_integer<unsigned>((*flags)[1]) & 1) == 1);
  REQUIRE(rig.resume(Motion::run));
  REQUIRE(rig.vmm.kernel.delivered.size() == 1); // it single-steps itself: it is owed a #DB with BS
  CHECK(rig.vmm.kernel.delivered[0].vector == 1);
  CHECK(rig.vmm.kernel.delivered[0].pushed == entry + 1);
  CHECK(rig.vmm.kernel.delivered[0].cause == x86::dr6_bs);
}

TEST_CASE("two vCPUs at one site: each steps off alone, neither misses it") {
  Rig rig(hardware(), {0x90, 0x90, 0xeb, 0xfc}, 2);
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::software, entry + 1)));
  for (int round = 0; round < 4; ++round) {
    REQUIRE(rig.resume(Motion::run));
    REQUIRE_FALSE(rig.stops.back().vcpus.empty());
    for (const VcpuStop& stopped : rig.stops.back().vcpus)
      CHECK(rig.vmm.rip(index(stopped.vcpu)) == entry + 1);
  }
}

TEST_CASE("a halted guest is a stop, and stays halted") {
  Rig rig(hardware(), {0x90, 0xf4});
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.last<Halted>() != nullptr);
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.last<Halted>() != nullptr);
  CHECK(rig.vmm.rip() == entry + 2);
  REQUIRE(rig.resume(Motion::step)); // a step of a halted vCPU ends
  CHECK(rig.last<Stepped>() != nullptr);
}

TEST_CASE("a write over a site keeps the site and the new byte") {
  Rig rig(hardware(), {0x90, 0x90, 0x90, 0xf4});
  const Point point = at(PointKind::software, entry + 1);
  REQUIRE(rig.engine.insert(VcpuId{0}, point));
  REQUIRE(rig.resume(Motion::run));
  const std::byte code[] = {std::byte{0xeb}, std::byte{0x00}};
  REQUIRE(rig.engine.write_memory(VcpuId{0}, Address{entry + 1}, code));
  CHECK(rig.vmm.ram[entry + 1] == std::byte{0xcc});
  auto seen = rig.engine.read_memory(VcpuId{0}, Address{entry + 1}, 1);
  REQUIRE(seen);
  CHECK((*seen)[0] == std::byte{0xeb});
  REQUIRE(rig.engine.remove(point));
  REQUIRE(rig.resume(Motion::step));
  CHECK(rig.vmm.ram[entry + 1] == std::byte{0xeb});
  CHECK(rig.vmm.rip() == entry + 3);
}

TEST_CASE("a page that the guest has reused keeps its byte when the site goes") {
  Rig rig(hardware(), {0x90, 0x90, 0xf4});
  const Point point = at(PointKind::software, entry + 1);
  REQUIRE(rig.engine.insert(VcpuId{0}, point));
  REQUIRE(rig.resume(Motion::run));
  rig.vmm.ram[entry + 1] = std::byte{0x77}; // the guest writes over it
  REQUIRE(rig.engine.remove(point));
  REQUIRE(rig.engine.withdraw());
  CHECK(rig.vmm.ram[entry + 1] == std::byte{0x77});
}

TEST_CASE("bad requests are refused and change nothing") {
  Rig rig(hardware(), {0x90, 0xf4});
  CHECK(rig.engine.resume(Resume{{}}).error().code == Code::bad_request);
  CHECK(rig.engine.resume(Resume{{Motion::hold}}).error().code == Code::bad_request);
  CHECK(rig.engine.read_register(VcpuId{7}, RegisterId{0}).error().code == Code::no_such_vcpu);
  CHECK(rig.engine.read_register(VcpuId{0}, RegisterId{9999}).error().code == Code::bad_request);
  CHECK(rig.engine.read_memory(VcpuId{0}, Address{0x4000}, 4).error().code == Code::memory_fault);
  CHECK(rig.engine.read_memory(VcpuId{0}, Address{0x3fff}, 4)->size() == 1);
  const std::byte two[2] = {};
  CHECK(rig.engine.write_memory(VcpuId{0}, Address{0x3fff}, two).error().code ==
        Code::memory_fault);
  CHECK(rig.engine.remove(at(PointKind::software, entry)).error().code == Code::bad_request);
  CHECK(rig.vmm.ram == rig.original);
}
