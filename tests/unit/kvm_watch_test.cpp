// Watched memory compared after each step: which change is reported, and whose it is.
#include "kvm/watch.hpp"
#include "tests/arch_contract/x86_rig.hpp"

#include <cerrno>

using namespace kdbg;
using namespace kdbg::kvm;
using kdbg::test::X86Rig;

namespace {

using Touched = std::vector<Access>;
constexpr std::uint64_t at = 0x2000;

Touched reading(std::uint64_t address, std::uint64_t length = 4) {
  return {{address, length, true, false}};
}
Touched writing(std::uint64_t address, std::uint64_t length = 4) {
  return {{address, length, false, true}};
}
Touched both(std::uint64_t address, std::uint64_t length = 4) {
  return {{address, length, true, true}};
}

struct Rig : X86Rig {
  Watches watches;
  Placed placed;
  void watch(PointKind kind, std::uint64_t address = at, std::uint64_t length = 4) {
    Site site;
    site.point = {kind, Address{address}, length};
    site.placement.method = Placement::Method::stepping;
    placed.sites.push_back(site);
  }
  Status begin(std::size_t vcpus = 1) {
    return watches.begin(
        placed, memory, [this](VcpuId, Address address) { return cpu->translate(address); }, vcpus);
  }
  void announce(VcpuId id, const Touched& touched) {
    REQUIRE(watches.announce(id, *cpu, touched, false));
  }
  /// A step of a vCPU's: what it was about to touch, then the comparison.
  std::vector<HitWatch> after(const Touched& touched, VcpuId id = VcpuId{0}) {
    announce(id, touched);
    return compared(id);
  }
  std::vector<HitWatch> compared(VcpuId id) {
    auto hits = watches.compare(id, *cpu, false);
    REQUIRE(hits);
    return *hits;
  }
  /// 32-bit paging: 0x1000 -> 0x5000, 0x2000 -> 0x3000, 0x4000 -> 0x3000; more by `map`.
  void page() {
    mode(x86::CodeMode::bits32);
    sregs().cr0 |= x86::cr0_pg;
    sregs().cr3 = 0x8000;
    put(0x8000, std::uint32_t{0x9007});
    map(1, 0x5000);
    map(2, 0x3000);
    map(4, 0x3000);
    cpu->exited();
  }
  void map(std::uint64_t page, std::uint32_t physical) { put(0x9000 + 4 * page, physical | 7u); }
};

Bytes four(unsigned low) {
  return X86Rig::bytes_of(low, 4);
}

} // namespace

TEST_CASE("which accesses each kind of watch reports") {
  const struct {
    PointKind kind;
    bool read, write_same, write_new, both_same, both_new, none;
  } cases[] = {{PointKind::write, false, true, true, true, true, false},
               {PointKind::read, true, false, false, false, false, false},
               {PointKind::access, true, true, true, true, true, false}};
  for (const auto& each : cases) {
    INFO(name(each.kind));
    const auto reported = [&](const Touched& touched, bool changes) {
      Rig rig;
      rig.watch(each.kind);
      REQUIRE(rig.begin());
      if (changes) rig.put(at, 77u);
      return !rig.after(touched).empty();
    };
    CHECK(reported(reading(at), false) == each.read);
    CHECK(reported(writing(at), false) == each.write_same);
    CHECK(reported(writing(at), true) == each.write_new);
    CHECK(reported(both(at), false) == each.both_same);
    CHECK(reported(both(at), true) == each.both_new);
    CHECK(reported(reading(0x2100), false) == each.none);
    CHECK(reported({}, false) == each.none);
  }
}

TEST_CASE("a hit has the values before and after, and the lowest watched byte that was touched") {
  Rig rig;
  rig.put(at, 5u);
  rig.watch(PointKind::write);
  REQUIRE(rig.begin());
  rig.put(at, 6u);
  auto hits = rig.after(writing(at + 2, 8));
  REQUIRE(hits.size() == 1);
  CHECK(hits[0].point == rig.placed.sites[0].point);
  CHECK(hits[0].before == four(5));
  CHECK(hits[0].after == four(6));
  CHECK(hits[0].address == at + 2);
  rig.put(at, 7u);
  hits = rig.after(writing(at - 4, 8));
  REQUIRE(hits.size() == 1);
  CHECK(hits[0].before == four(6)); // the value of the last look
  CHECK(hits[0].address == at);
  CHECK(rig.after({}).empty());
}

TEST_CASE("an access hits a watch if they share a byte") {
  for (std::uint64_t start = at - 6; start < at + 8; ++start) {
    for (const std::uint64_t length : {0u, 1u, 2u, 4u, 8u}) {
      INFO(std::hex << start << " + " << length);
      Rig rig;
      rig.watch(PointKind::access);
      REQUIRE(rig.begin());
      const bool shares = length != 0 && start < at + 4 && start + length > at;
      CHECK(rig.after(reading(start, length)).empty() != shares);
    }
  }
}

TEST_CASE("every watch that an instruction touched is reported") {
  Rig rig;
  rig.watch(PointKind::write, at, 4);
  rig.watch(PointKind::access, at + 2, 1);
  rig.watch(PointKind::read, 0x3000, 8);
  REQUIRE(rig.begin());
  CHECK(rig.after({{0x3004, 4, true, false}, {at, 4, false, true}}).size() == 3);
  CHECK(rig.after(reading(at)).size() == 1);
}

TEST_CASE("alone, a vCPU answers for every change, also of an instruction not understood") {
  Rig rig;
  rig.watch(PointKind::write);
  REQUIRE(rig.begin());
  rig.put(at, 1u);
  CHECK(rig.after({}).size() == 1);
}

TEST_CASE("beside others, a change is left to the vCPU whose instruction under way writes there") {
  Rig rig;
  rig.watch(PointKind::write);
  REQUIRE(rig.begin(2));
  rig.announce(VcpuId{1}, writing(at));
  rig.put(at, 1u);
  CHECK(rig.after({}).empty());
  CHECK(rig.after(reading(at)).empty());
  const auto hits = rig.compared(VcpuId{1});
  REQUIRE(hits.size() == 1);
  CHECK(hits[0].before == four(0));
  CHECK(hits[0].after == four(1));
  CHECK(rig.after({}).empty());
  CHECK(rig.compared(VcpuId{1}).empty()); // an announcement is for one step
}

TEST_CASE("beside others, one that only reads there keeps nobody from reporting a change") {
  Rig rig;
  rig.watch(PointKind::write);
  REQUIRE(rig.begin(2));
  rig.announce(VcpuId{1}, reading(at));
  rig.put(at, 1u);
  CHECK(rig.after(writing(at)).size() == 1);
  CHECK(rig.compared(VcpuId{1}).empty());
}

TEST_CASE("a change that no vCPU admits to is reported, once") {
  Rig rig;
  rig.watch(PointKind::write);
  REQUIRE(rig.begin(2));
  rig.put(at, 1u); // by a device
  const auto hits = rig.after({}, VcpuId{1});
  REQUIRE(hits.size() == 1);
  CHECK(hits[0].address == at);
  CHECK(rig.after({}).empty());
}

TEST_CASE("a watch is of physical bytes: another address of them hits it too") {
  Rig rig;
  rig.page();
  rig.watch(PointKind::access, 0x2010);
  REQUIRE(rig.begin());
  const auto hits = rig.after(reading(0x4010));
  REQUIRE(hits.size() == 1);
  CHECK(hits[0].address == 0x2010); // as the watch names it
  CHECK(rig.after(reading(0x1010)).empty());
  rig.map(2, 0x6000); // its page tables change: the bytes watched are the same
  rig.cpu->exited();
  CHECK(rig.after(reading(0x2010)).empty());
  CHECK(rig.after(reading(0x4010)).size() == 1);
}

TEST_CASE("a watch across two pages follows both") {
  Rig rig;
  rig.page();
  rig.watch(PointKind::write, 0x1ffc, 8); // physical 0x5ffc and 0x3000
  rig.put(0x5ffc, 1u);
  rig.put(0x3000, 2u);
  REQUIRE(rig.begin());
  rig.put(0x3000, 3u);
  const auto hits = rig.after(writing(0x2000));
  REQUIRE(hits.size() == 1);
  CHECK(hits[0].address == 0x2000);
  CHECK(hits[0].before == X86Rig::bytes_of(0x200000001, 8));
  CHECK(hits[0].after == X86Rig::bytes_of(0x300000001, 8));
  CHECK(rig.after(writing(0x1ffc)).size() == 1);
}

// The next page is elsewhere in physical memory.
TEST_CASE("an access across two pages touches both, and not what follows the first in memory") {
  Rig rig;
  rig.page();
  rig.watch(PointKind::read, 0x2000);
  REQUIRE(rig.begin());
  CHECK(rig.after(reading(0x1ffc, 8)).size() == 1);
}

TEST_CASE("a watch that is not mapped is looked for again, and hits from then on") {
  Rig rig;
  rig.page();
  rig.watch(PointKind::write, 0x7000);
  REQUIRE(rig.begin());
  CHECK(rig.after(writing(0x7000)).empty());
  rig.map(7, 0x6000);
  rig.cpu->exited();
  CHECK(rig.after({}).empty()); // found: this is its first value
  rig.put(0x6000, 9u);
  const auto hits = rig.after(writing(0x7000));
  REQUIRE(hits.size() == 1);
  CHECK(hits[0].before == four(0));
  CHECK(hits[0].after == four(9));
}

TEST_CASE("an access that faults touches nothing, and a failing ioctl is an error") {
  Rig rig;
  rig.page();
  rig.watch(PointKind::access);
  REQUIRE(rig.begin());
  CHECK(rig.after(reading(0x7000)).empty());
  rig.cpu->exited();
  rig.kernel.refused[x86::get_sregs] = EIO;
  CHECK_FALSE(rig.watches.announce(VcpuId{0}, *rig.cpu, reading(at), false));
  CHECK_FALSE(rig.begin());
}

TEST_CASE("a write to a protected page is a hit where it touches a watch, with what it changed") {
  Rig rig;
  rig.watch(PointKind::write, at + 2, 4);
  rig.watch(PointKind::write, at, 64);
  for (Site& site : rig.placed.sites)
    site.placement.method = Placement::Method::protection;
  rig.put(at, 0x11111111u);
  REQUIRE(rig.begin());
  CHECK(rig.watches.pages() == std::vector{at});
  CHECK_FALSE(rig.watches.unsettled());
  auto hits = rig.watches.write(GuestPhys{at}, X86Rig::bytes_of(0x22222222, 4));
  REQUIRE(hits.size() == 2);
  CHECK(hits[0].address == at + 2);
  CHECK(hits[0].before == Bytes{std::byte{0x11}, std::byte{0x11}, {}, {}});
  CHECK(hits[0].after == Bytes{std::byte{0x22}, std::byte{0x22}, {}, {}});
  CHECK(hits[1].address == at);
  CHECK(hits[1].before == four(0x11111111));
  CHECK(hits[1].after == four(0x22222222));
  hits = rig.watches.write(GuestPhys{at + 6}, X86Rig::bytes_of(1, 1));
  CHECK(hits.size() == 1);
  CHECK(rig.watches.write(GuestPhys{at + 64}, X86Rig::bytes_of(1, 1)).empty());
  CHECK(rig.after(writing(at)).empty()); // no step compares it while its page is protected
}

TEST_CASE("a watch by protection whose memory is not there says so") {
  Rig rig;
  rig.page();
  rig.watch(PointKind::write, 0x7000);
  rig.placed.sites[0].placement.method = Placement::Method::protection;
  REQUIRE(rig.begin());
  CHECK(rig.watches.unsettled());
  CHECK(rig.watches.pages().empty());
  CHECK(rig.watches.missing(rig.placed.sites[0].point).find("no page") != std::string::npos);
  rig.map(7, 0x5000);
  rig.cpu->exited();
  REQUIRE(rig.begin());
  CHECK_FALSE(rig.watches.unsettled());
  CHECK(rig.watches.pages() == std::vector<std::uint64_t>{0x5000});
}

TEST_CASE("a hit of a long watch carries the bytes that differ") {
  Rig rig;
  rig.watch(PointKind::write, at, 4096);
  REQUIRE(rig.begin());
  rig.put(at + 100, std::uint16_t{0x1234});
  auto hits = rig.after(writing(at + 100, 2));
  REQUIRE(hits.size() == 1);
  CHECK(hits[0].address == at + 100);
  CHECK(hits[0].before == Bytes(2));
  CHECK(hits[0].after == X86Rig::bytes_of(0x1234, 2));
}

TEST_CASE("a watch in slots is not compared, but its values are told when it fires") {
  Rig rig;
  rig.put(at, 3u);
  rig.watch(PointKind::write);
  rig.watch(PointKind::read, 0x2010);
  for (Site& site : rig.placed.sites)
    site.placement.method = Placement::Method::slots;
  REQUIRE(rig.begin());
  rig.put(at, 4u);
  CHECK(rig.after(writing(at)).empty());
  const Point write = rig.placed.sites[0].point, read = rig.placed.sites[1].point;
  auto hit = rig.watches.fired(write, false);
  REQUIRE(hit);
  CHECK(hit->before == four(3));
  CHECK(hit->after == four(4));
  hit = rig.watches.fired(write, false); // the same value written again
  REQUIRE(hit);
  CHECK(hit->before == four(4));
  CHECK(rig.watches.fired(read, false));
  rig.put(0x2010, 1u);
  CHECK_FALSE(rig.watches.fired(read, false)); // that was a write
  rig.put(0x2010, 2u);
  CHECK(rig.watches.fired(read, true)); // the slot knows better: somebody else's write came before
  CHECK(rig.watches.fired(read, false));
}

TEST_CASE("a watch without memory waits for its owner's page tables, not another vCPU's") {
  for (const bool named : {false, true}) {
    Rig rig;
    rig.page();
    rig.watch(PointKind::write, 0x6000);
    Point& point = rig.placed.sites[0].point;
    if (named) point.at.space = {Space::Kind::root, 0x8000};
    REQUIRE(rig.begin(2));
    CHECK_FALSE(rig.watches.missing(point).empty());
    rig.map(6, 0x3000);
    rig.compared(VcpuId{1});
    CHECK(rig.watches.missing(point).empty() == named); // a root is the same for all
    rig.compared(VcpuId{0});
    CHECK(rig.watches.missing(point).empty());
  }
}
