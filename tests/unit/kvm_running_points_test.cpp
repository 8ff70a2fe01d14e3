// Points that come and go while the guest runs: nobody hears of the pause, no hit is lost or told
// twice, and memory stays right.
#include "tests/unit/kvm_engine_rig.hpp"

#include <random>

using namespace kdbg;
using namespace kdbg::test::on_scripted_kvm;
using kdbg::test::ScriptedVmm;

namespace {

constexpr VcpuId first{0};
constexpr PointKind kinds[] = {PointKind::software, PointKind::hardware};

/// out 0x42, al; nop; inc dword [rdi]; nop; jmp back
constexpr std::initializer_list<unsigned> round = {0xe6, 0x42, 0x90, 0xff, 0x07, 0x90, 0xeb, 0xf8};
constexpr std::uint64_t stations[] = {entry + 2, entry + 3, entry + 5};

struct Running : Rig {
  explicit Running(const HostFacts& given, std::size_t vcpus = 1) : Rig(given, round, vcpus) {
    for (std::size_t n = 0; n < vcpus; ++n) {
      vmm.kernel.regs(vmm.fd(n)).rdi = ScriptedVmm::data + 8 * n;
    }
  }
  /// Memory but for what the guest counts.
  bool untouched() {
    Bytes now = vmm.ram;
    for (std::size_t i = 0; i < 16; ++i) {
      now[ScriptedVmm::data + i] = original[ScriptedVmm::data + i];
    }
    return now == original;
  }
};

} // namespace

TEST_CASE("a point set while the guest runs is hit, and one taken out is not") {
  for (const HostFacts& facts : {hardware(), emulating()}) {
    for (const PointKind kind : kinds) {
      Running rig(facts);
      const Point point = at(kind, stations[1]);
      rig.vmm.serving = [&, n = 0]() mutable {
        if (++n == 3) REQUIRE(rig.engine.insert(first, point));
      };
      REQUIRE(rig.resume(Motion::run));
      REQUIRE(rig.stops.size() == 1);
      REQUIRE(rig.last<HitPoint>() != nullptr);
      CHECK(rig.last<HitPoint>()->point == point);
      CHECK(std::to_integer<int>(rig.vmm.ram[ScriptedVmm::data]) == 2);
      rig.vmm.serving = [&, n = 0]() mutable {
        if (++n == 1) REQUIRE(rig.engine.remove(point));
        if (n == 3) REQUIRE(rig.engine.insert(first, at(kind, stations[2])));
      };
      REQUIRE(rig.resume(Motion::run));
      CHECK(rig.vmm.rip() == stations[2]);
      CHECK(std::to_integer<int>(rig.vmm.ram[ScriptedVmm::data]) == 6);
      REQUIRE(rig.engine.withdraw());
      CHECK(rig.untouched());
    }
  }
}

TEST_CASE("a point that cannot be had is refused at once, also while the guest runs") {
  Running rig(hardware());
  for (std::uint64_t n = 0; n < 4; ++n) {
    REQUIRE(rig.engine.insert(first, at(PointKind::hardware, entry + 0x100 + n)));
  }
  rig.vmm.serving = [&, n = 0]() mutable {
    if (++n != 1) return rig.engine.interrupt({});
    const auto fifth = rig.engine.insert(first, at(PointKind::hardware, entry + 0x200));
    REQUIRE_FALSE(fifth);
    CHECK(fifth.error().code == Code::no_free_slot);
    CHECK_FALSE(rig.engine.remove(at(PointKind::hardware, entry + 0x200)));
  };
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.last<Interrupted>() != nullptr);
  CHECK(rig.engine.points().size() == 4);
}

TEST_CASE("a rule that changes while the guest runs holds for the next hit, without a pause") {
  Running rig(hardware());
  const Point point = at(PointKind::hardware, stations[0]);
  const Rule never{.conditions = {{{std::byte{0x27}}, "nothing"}}};
  REQUIRE(rig.engine.insert(first, point));
  REQUIRE(rig.engine.agree(point, {{ClientId{1}, never}}));
  rig.vmm.serving = [&, n = 0]() mutable {
    if (++n == 4) REQUIRE(rig.engine.agree(point, {{ClientId{1}, never}, {ClientId{2}, {}}}));
  };
  REQUIRE(rig.resume(Motion::run));
  REQUIRE(rig.last<HitPoint>() != nullptr);
  CHECK(rig.last<HitPoint>()->matched.clients == std::vector{ClientId{2}});
  CHECK(std::to_integer<int>(rig.vmm.ram[ScriptedVmm::data]) == 3);
}

TEST_CASE(
    "a hit whose point is taken out before its stop is told is nobody's, and the guest runs") {
  for (const HostFacts& facts : {hardware(), emulating()}) {
    for (const PointKind kind : kinds) {
      Running rig(facts, 2);
      const Point point = at(kind, stations[1]), other = at(PointKind::hardware, stations[2]);
      REQUIRE(rig.engine.insert(first, point));
      REQUIRE(rig.engine.insert(first, other));
      REQUIRE(rig.engine.resume(Resume{{Motion::run, Motion::hold}}));
      // the vCPU is parked at its hit, and the strand takes the point out before it looks
      rig.vmm.before_parked = [&] {
        rig.vmm.before_parked = {};
        REQUIRE(rig.engine.remove(point));
      };
      rig.vmm.drain();
      REQUIRE(rig.stops.size() == 1);
      REQUIRE(rig.last<HitPoint>() != nullptr);
      CHECK(rig.last<HitPoint>()->point == other);
      CHECK(std::to_integer<int>(rig.vmm.ram[ScriptedVmm::data]) == 1);
      REQUIRE(rig.engine.withdraw());
      CHECK(rig.untouched());
    }
  }
}

TEST_CASE("points come and go at random under a running guest: each is hit when its turn comes") {
  for (const HostFacts& facts : {hardware(), emulating()}) {
    std::mt19937 random(7);
    Running rig(facts);
    std::map<Point, bool> set;
    std::vector<std::uint64_t> due; // stations ahead on this round that must stop
    unsigned served = 0;
    rig.vmm.serving = [&] {
      REQUIRE(due.empty());
      ++served;
      for (auto n = random() % 3; n > 0; --n) {
        const Point point = at(kinds[random() % 2], stations[random() % std::size(stations)]);
        if (set.erase(point) != 0) {
          REQUIRE(rig.engine.remove(point));
        } else {
          REQUIRE(rig.engine.insert(first, point));
          set[point] = true;
        }
      }
      for (const std::uint64_t station : stations) {
        const auto here = [&](const auto& entry) { return entry.first.at.value == station; };
        if (std::any_of(set.begin(), set.end(), here)) due.push_back(station);
      }
      if (set.empty() && served > 300) rig.engine.interrupt({});
    };
    // a step that ends where a point comes in meanwhile does not hit it; a step from there neither
    bool arrived = false;
    while (served < 300) {
      REQUIRE(rig.resume(!arrived && random() % 4 == 0 ? Motion::step : Motion::run));
      arrived = false;
      if (rig.last<Interrupted>() != nullptr) break;
      if (rig.last<Stepped>() != nullptr && rig.last<HitPoint>() == nullptr) {
        arrived = !due.empty() && rig.vmm.rip() == due.front();
        continue;
      }
      REQUIRE(rig.last<HitPoint>() != nullptr);
      REQUIRE(!due.empty());
      CHECK(rig.vmm.rip() == due.front());
      std::size_t here = 0;
      for (const auto& [point, unused] : set) {
        here += point.at.value == due.front() ? 1 : 0;
      }
      std::size_t told = 0;
      for (const StopReason& reason : rig.stops.back().vcpus[0].reasons) {
        told += std::holds_alternative<HitPoint>(reason) ? 1 : 0;
      }
      CHECK(told == here);
      due.erase(due.begin());
    }
    REQUIRE(rig.engine.withdraw());
    CHECK(rig.untouched());
  }
}

TEST_CASE("whichever ioctl fails at such a pause, memory is right afterwards") {
  for (int nth = 0; nth < 60; ++nth) {
    Running rig(hardware());
    rig.vmm.serving = [&, n = 0]() mutable {
      if (++n == 2) {
        REQUIRE(rig.engine.insert(first, at(PointKind::software, stations[1])));
        rig.vmm.kernel.fail_nth(nth, 5);
      }
      if (n == 4) rig.engine.interrupt({});
    };
    REQUIRE(rig.resume(Motion::run));
    CAPTURE(nth);
    REQUIRE(rig.stops.size() == 1);
    rig.vmm.kernel.fail_nth(-1, 0);
    rig.vmm.serving = {};
    REQUIRE(rig.engine.withdraw());
    CHECK(rig.untouched());
  }
}
