// Which strategy each point gets, and when that is chosen again.
#include "tests/unit/kvm_sites_rig.hpp"

#include <cerrno>

using namespace kdbg;
using namespace kdbg::test::on_small_memory;

TEST_CASE("nothing is installed when a point is added, and all of it when sites are placed") {
  Rig rig(hardware());
  REQUIRE(rig.add(software(0x11000)));
  REQUIRE(rig.add(software(0x11000))); // twice is one
  CHECK(rig.patched().empty());
  CHECK(rig.walks == 0);
  CHECK(rig.sites.wanted().size() == 1);
  REQUIRE(rig.place());
  CHECK(rig.patched() == Addresses{0x1000});
  CHECK(rig.of(software(0x11000)).method == Method::instruction);
  CHECK(rig.of(software(0x11000)).physical == GuestPhys{0x1000});
  CHECK(rig.sites.placed().instructions);
  CHECK_FALSE(rig.sites.placed().stepping);
  CHECK(rig.sites.installed_at(GuestPhys{0x1000}));
  REQUIRE(rig.sites.remove(software(0x11000)));
  CHECK(rig.patched() == Addresses{0x1000}); // until the guest is about to run
  REQUIRE(rig.place());
  CHECK(rig.ram == rig.original);
  CHECK_FALSE(rig.sites.placed().instructions);
  CHECK_FALSE(rig.sites.installed_at(GuestPhys{0x1000}));
  auto again = rig.sites.remove(software(0x11000));
  REQUIRE_FALSE(again);
  CHECK(again.error().what == "there is no software point at 0x11000");
}

TEST_CASE("where int3 exits, software points leave the slots to those that need them") {
  Rig rig(hardware());
  rig.have({software(0x11000), software(0x11001), software(0x11002), software(0x11003),
            software(0x11004), hard(0x11000), hard(0x11010), watch(PointKind::write, 0x12000, 8),
            watch(PointKind::access, 0x12010, 4)});
  CHECK(rig.patched() == Addresses{0x1000, 0x1001, 0x1002, 0x1003, 0x1004});
  CHECK(rig.of(hard(0x11000)).slots == Numbers{0});
  CHECK(rig.of(hard(0x11010)).slots == Numbers{1});
  CHECK(rig.sites.placed().slots[2] == Slot{0x12000, 8, PointKind::write});
  CHECK(rig.sites.placed().slots[3] == Slot{0x12010, 4, PointKind::access});
  CHECK_FALSE(rig.sites.placed().slots[4].has_value());
}

TEST_CASE("hardware points keep their slots and displace software points from theirs") {
  Rig rig(emulating());
  rig.have({software(0x11000), hard(0x11010), software(0x11001), software(0x11002)});
  CHECK(rig.of(hard(0x11010)).slots == Numbers{0}); // first, whatever the order of adding
  CHECK(rig.of(software(0x11000)).slots == Numbers{1});
  CHECK(rig.of(software(0x11002)).slots == Numbers{3});
  CHECK(rig.patched().empty());
  rig.have({hard(0x11020), hard(0x11030)});
  CHECK(rig.of(hard(0x11010)).slots == Numbers{0});
  CHECK(rig.of(hard(0x11020)).method == Method::slots);
  CHECK(rig.of(hard(0x11030)).method == Method::slots);
  unsigned in_slots = 0;
  for (const std::uint64_t at : {0x11000u, 0x11001u, 0x11002u})
    in_slots += rig.of(software(at)).method == Method::slots ? 1u : 0u;
  CHECK(in_slots == 1);
  CHECK(rig.patched().size() == 2);
  REQUIRE(rig.sites.remove(hard(0x11010)));
  REQUIRE(rig.place());
  CHECK_FALSE(rig.sites.placed().slots[0].has_value());
  CHECK(rig.patched().size() == 2); // an instruction in place is not moved
}

TEST_CASE("a slot stays where it is while others come and go") {
  Rig rig(hardware());
  rig.have({hard(0x100), hard(0x200), hard(0x300), hard(0x400)});
  REQUIRE(rig.sites.remove(hard(0x100)));
  REQUIRE(rig.place());
  CHECK(rig.of(hard(0x200)).slots == Numbers{1});
  REQUIRE(rig.sites.remove(hard(0x300)));
  rig.have({hard(0x500)});
  CHECK(rig.of(hard(0x200)).slots == Numbers{1});
  CHECK(rig.of(hard(0x400)).slots == Numbers{3});
  CHECK(rig.of(hard(0x500)).slots == Numbers{0}); // the one that nothing held last
  // out and in again between two runs, as gdb does at every stop
  for (const std::uint64_t at : {0x400u, 0x200u, 0x500u})
    REQUIRE(rig.sites.remove(hard(at)));
  rig.have({hard(0x500), hard(0x400), hard(0x200)});
  CHECK(rig.of(hard(0x200)).slots == Numbers{1});
  CHECK(rig.of(hard(0x400)).slots == Numbers{3});
  CHECK(rig.of(hard(0x500)).slots == Numbers{0});
}

TEST_CASE("equal slots are shared: two points of one address need one") {
  Rig rig(emulating());
  rig.have({hard(0x11000), hard(0x11001), hard(0x11002), hard(0x11003), software(0x11000),
            software(0x11003)});
  CHECK(rig.of(software(0x11000)).slots == rig.of(hard(0x11000)).slots);
  CHECK(rig.of(software(0x11003)).slots == rig.of(hard(0x11003)).slots);
  CHECK(rig.patched().empty());
  Rig watches(hardware());
  watches.have({watch(PointKind::write, 0x2000, 4), watch(PointKind::write, 0x2000, 12),
                watch(PointKind::access, 0x2000, 8)});
  CHECK(watches.of(watch(PointKind::write, 0x2000, 12)).slots.size() == 2);
  CHECK(watches.of(watch(PointKind::write, 0x2000, 4)).slots.size() == 1);
}

TEST_CASE("one point too many is refused when it is added, and changes nothing") {
  Rig rig(hardware());
  rig.have({hard(0x100), hard(0x200), watch(PointKind::write, 0x2000, 16)});
  auto added = rig.add(hard(0x300));
  REQUIRE_FALSE(added);
  CHECK(added.error().code == Code::no_free_slot);
  CHECK(added.error().what.find("all 4 hardware slots are in use") != std::string::npos);
  CHECK(rig.sites.placed().sites.size() == 3);
  CHECK(rig.add(hard(0x200)));
  CHECK(rig.add(software(0x11000)));
}

TEST_CASE("points that cannot be had are refused with the reason") {
  HostFacts nothing;
  Rig bare(nothing);
  CHECK(bare.add(software(0x11000)).error().code == Code::unsupported);
  CHECK(bare.add(hard(0x11000)).error().code == Code::unsupported);
  CHECK(bare.add(watch(PointKind::write, 0x12000, 4)).error().code == Code::unsupported);
  CHECK(bare.sites.placed().sites.empty());

  Rig rig(hardware());
  const Address physical{0x1000, {Space::Kind::physical, 0}},
      rooted{0x1000, {Space::Kind::root, 0x7000}};
  for (const Address& at : {physical, rooted}) {
    auto added = rig.add({PointKind::hardware, at, 1});
    REQUIRE_FALSE(added);
    CHECK(added.error().code == Code::unsupported);
    CHECK(added.error().what.find("linear addresses") != std::string::npos);
  }
  CHECK(rig.add(watch(PointKind::write, 0x2000, 0)).error().code == Code::bad_request);
  CHECK(rig.add(watch(PointKind::write, ~std::uint64_t{0}, 2)).error().code == Code::bad_request);
  CHECK(rig.add(watch(PointKind::write, ~std::uint64_t{0}, 1)));
  Rig stepping(emulating());
  CHECK(stepping.add(watch(PointKind::write, 0x2000, 0x10000)));
  CHECK(stepping.add(watch(PointKind::write, 0x2000, 0x10001)).error().code == Code::unsupported);
  HostFacts facts = hardware();
  facts.single_step = false;
  Rig slots_only(facts);
  auto added = slots_only.add(watch(PointKind::write, 0x2000, 33));
  REQUIRE_FALSE(added);
  CHECK(added.error().code == Code::no_free_slot);
  facts = emulating();
  facts.write_protect = true;
  Rig protecting(facts);
  CHECK(protecting.add(watch(PointKind::write, 0x2000, 1u << 26)));
  added = protecting.add(watch(PointKind::write, 0x2000, (1u << 26) + 1));
  REQUIRE_FALSE(added);
  CHECK(added.error().what == "a watch of 67108865 bytes at 0x2000 is too long: write watches by "
                              "protected pages take at most 67108864 bytes");
}

TEST_CASE("a watch takes slots, then protected pages if it is for writes, then stepping") {
  HostFacts facts = hardware();
  facts.write_protect = true;
  Rig rig(facts);
  const Point fits = watch(PointKind::write, 0x12000, 32),
              late = watch(PointKind::write, 0x13000, 1),
              reads = watch(PointKind::access, 0x13000, 1),
              lengthy = watch(PointKind::write, 0x11000, 0x2000);
  rig.have({fits, late, reads, lengthy});
  CHECK(rig.of(fits).slots == Numbers{0, 1, 2, 3});
  CHECK(rig.of(late).method == Method::protection);
  CHECK(rig.of(reads).method == Method::stepping);
  CHECK(rig.of(lengthy).method == Method::protection);
  CHECK(rig.add(hard(0x100)).error().code == Code::no_free_slot); // a fast watch stays fast
  REQUIRE(rig.sites.remove(fits));
  REQUIRE(rig.place());
  CHECK(rig.of(late).method == Method::slots);
}

TEST_CASE("a software point where no code is yet takes a slot, then an instruction under guard") {
  HostFacts facts = hardware();
  facts.write_protect = true;
  Rig rig(facts);
  std::fill(rig.ram.begin() + 0x2000, rig.ram.begin() + 0x3000, std::byte{0});
  rig.original = rig.ram;
  rig.have({software(0x12000), hard(1), hard(2), hard(3)});
  CHECK(rig.of(software(0x12000)).method == Method::slots);
  rig.have({hard(4)});
  CHECK(rig.of(software(0x12000)).method == Method::instruction);
  CHECK(rig.of(software(0x12000)).guarded);
  CHECK(rig.sites.guarded_pages() == Addresses{0x2000});
  // the loader's write exits: its byte is the guest's, ours stays in memory
  Bytes code(0x10, std::byte{0x55});
  rig.sites.absorb(GuestPhys{0x2000}, code);
  rig.memory.write(GuestPhys{0x2000}, code);
  CHECK(rig.ram[0x2000] == int3);
  CHECK(rig.ram[0x2001] == std::byte{0x55});
  REQUIRE(rig.place()); // now code is there
  CHECK_FALSE(rig.of(software(0x12000)).guarded);
  CHECK(rig.sites.guarded_pages().empty());
  REQUIRE(rig.sites.remove(software(0x12000)));
  REQUIRE(rig.place());
  CHECK(rig.ram[0x2000] == std::byte{0x55});
}

TEST_CASE("an instruction that the guest wrote over is put back and guarded from then on") {
  HostFacts facts = hardware();
  facts.hardware_exec = false;
  facts.write_protect = true;
  Rig rig(facts);
  rig.have({software(0x11000)});
  CHECK_FALSE(rig.sites.overwritten(rig.memory));
  CHECK_FALSE(rig.of(software(0x11000)).guarded);
  rig.ram[0x1000] = std::byte{0x77};
  CHECK(rig.sites.overwritten(rig.memory));
  REQUIRE(rig.place());
  CHECK(rig.ram[0x1000] == int3);
  CHECK_FALSE(rig.sites.overwritten(rig.memory));
  REQUIRE(rig.place());
  CHECK(rig.of(software(0x11000)).guarded);
  REQUIRE(rig.sites.remove(software(0x11000)));
  REQUIRE(rig.place());
  CHECK(rig.ram[0x1000] == std::byte{0x77});
}

TEST_CASE("a step that writes behind a lifted instruction has not written over it") {
  HostFacts facts = hardware();
  facts.hardware_exec = false;
  facts.write_protect = true;
  Rig rig(facts);
  rig.have({software(0x11000)});
  for (const std::uint64_t written : {0x1001, 0x1000}) {
    rig.sites.lift(rig.memory, GuestPhys{0x1000});
    rig.ram[written] = std::byte{0x77};
    REQUIRE(rig.sites.restore(rig.memory, GuestPhys{0x1000}));
    REQUIRE(rig.place());
    CHECK(rig.of(software(0x11000)).guarded == (written == 0x1000));
  }
}

TEST_CASE("an instruction follows its page tables, and stays while others are in use") {
  Rig rig(hardware());
  std::uint64_t root = 0x5000, physical = 0x1000;
  const auto place = [&] {
    return rig.sites.place(
        rig.memory,
        [&](VcpuId, Address at) {
          Translation out = at_physical(physical + (at.value & 0xfff), 4096);
          out.root = root;
          return Result<Translation>(out);
        },
        [&](VcpuId, unsigned vector) { return rig.entry(vector); }, false);
  };
  REQUIRE(rig.add(software(0x401100)));
  REQUIRE(place());
  CHECK(rig.patched() == Addresses{0x1100});
  root = 0x6000, physical = 0x2000; // another process
  REQUIRE(place());
  CHECK(rig.patched() == Addresses{0x1100});
  root = 0x5000; // the first again, which has moved its page
  REQUIRE(place());
  CHECK(rig.patched() == Addresses{0x2100});
  root = 0x6000, physical = 0x1000;
  rig.ram[0x2100] = rig.original[0x2100]; // its memory is used for something else
  REQUIRE(place());
  CHECK(rig.patched() == Addresses{0x1100});
}

TEST_CASE("a software point on a page without execute permission is no instruction") {
  HostFacts facts = hardware();
  Rig rig(facts);
  const auto place = [&] {
    return rig.sites.place(
        rig.memory,
        [&](VcpuId, Address at) {
          Translation out = at_physical(at.value & 0xfff, 4096);
          out.executable = false;
          return Result<Translation>(out);
        },
        [&](VcpuId, unsigned vector) { return rig.entry(vector); }, false);
  };
  REQUIRE(rig.add(software(0x7ffff100)));
  REQUIRE(place());
  CHECK(rig.of(software(0x7ffff100)).method == Method::slots);
  for (const std::uint64_t at : {1u, 2u, 3u, 4u})
    REQUIRE(rig.add(hard(at)));
  REQUIRE(place());
  CHECK(rig.of(software(0x7ffff100)).method == Method::stepping);
  CHECK(rig.patched().empty());
}

TEST_CASE("watches are stepped for where data breakpoints do not fire or compare other addresses") {
  Rig rig(emulating());
  rig.have({watch(PointKind::write, 0x12000, 100)});
  CHECK(rig.sites.placed().stepping);
  CHECK(rig.sites.placed().slots == decltype(rig.sites.placed().slots){});
  Rig physical(hardware());
  const Point point{PointKind::write, {0x2000, {Space::Kind::physical, 0}}, 4};
  physical.have({point});
  CHECK(physical.of(point).method == Method::stepping);
  REQUIRE(physical.sites.remove(point));
  REQUIRE(physical.place());
  CHECK_FALSE(physical.sites.placed().stepping);
}

TEST_CASE("a software point that is not mapped takes a slot or pends; then int3") {
  const Point point = software(0x30100);
  Rig with_slot(hardware());
  with_slot.have({point});
  CHECK(with_slot.of(point).method == Method::slots);
  with_slot.late = true;
  REQUIRE(with_slot.place());
  CHECK(with_slot.of(point).method == Method::instruction);
  CHECK(with_slot.patched() == Addresses{0x100});
  CHECK_FALSE(with_slot.sites.placed().slots[0].has_value());

  HostFacts facts = hardware();
  facts.hardware_exec = facts.data_watch = false;
  Rig pending(facts);
  pending.have({point});
  CHECK(pending.of(point).method == Method::pending);
  CHECK(pending.of(point).note == "no page here");
  CHECK(pending.sites.unsettled());
  CHECK_FALSE(pending.sites.placed().stepping);
  CHECK(pending.ram == pending.original);
  pending.late = true;
  REQUIRE(pending.place());
  CHECK(pending.of(point).method == Method::instruction);
  CHECK_FALSE(pending.sites.unsettled());
}

TEST_CASE("an instruction stays where it is when its address is unmapped") {
  Rig rig(hardware());
  rig.late = true;
  rig.have({software(0x30100)});
  rig.late = false;
  REQUIRE(rig.place());
  CHECK(rig.patched() == Addresses{0x100});
}

TEST_CASE("software points at physical addresses and under a named root are instructions") {
  Rig rig(hardware());
  const Point physical{PointKind::software, {0x123, {Space::Kind::physical, 0}}, 1},
      rooted{PointKind::software, {0x456, {Space::Kind::root, 0x7000}}, 1},
      nowhere{PointKind::software, {0x456, {Space::Kind::root, 0x8000}}, 1},
      outside{PointKind::software, {0x90000, {Space::Kind::physical, 0}}, 1};
  rig.have({physical, rooted, nowhere, outside});
  CHECK(rig.patched() == Addresses{0x123, 0x456});
  CHECK(rig.of(nowhere).method == Method::pending);
  CHECK(rig.of(nowhere).note == "no page here");
  CHECK(rig.of(outside).method == Method::pending);
  CHECK(rig.of(outside).note == "0x90000 is physical 0x90000, which is not memory");
  Rig emulated(no_instructions()); // a slot cannot compare those; each instruction can be looked at
  emulated.have({physical, rooted});
  CHECK(emulated.of(physical).method == Method::stepping);
  CHECK(emulated.of(rooted).method == Method::stepping);
}

TEST_CASE("two points on one physical byte are one patch, which goes with the last") {
  Rig rig(hardware());
  const Point physical{PointKind::software, {0x1000, {Space::Kind::physical, 0}}, 1};
  rig.have({software(0x11000), physical});
  CHECK(rig.patched() == Addresses{0x1000});
  REQUIRE(rig.sites.remove(software(0x11000)));
  REQUIRE(rig.place());
  CHECK(rig.patched() == Addresses{0x1000});
  REQUIRE(rig.sites.remove(physical));
  REQUIRE(rig.place());
  CHECK(rig.ram == rig.original);
}

TEST_CASE("where instructions are blocked they come out, and go back in when they are not") {
  Rig rig(emulating());
  rig.have({hard(0x11010), hard(0x11011), hard(0x11012), software(0x11000), software(0x11001)});
  CHECK(rig.patched() == Addresses{0x1001});
  rig.blocked = true;
  REQUIRE(rig.place());
  CHECK(rig.ram == rig.original);
  CHECK(rig.of(software(0x11000)).method == Method::slots);
  CHECK(rig.of(software(0x11001)).method == Method::stepping);
  CHECK(rig.sites.placed().stepping);
  rig.blocked = false;
  REQUIRE(rig.place());
  CHECK(rig.patched() == Addresses{0x1001});
  CHECK_FALSE(rig.sites.placed().stepping);
}

TEST_CASE("a failing ioctl while placing leaves everything as it was") {
  Rig rig(hardware());
  rig.have({software(0x11000), hard(0x200)});
  const Bytes before = rig.ram;
  REQUIRE(rig.sites.remove(software(0x11000)));
  REQUIRE(rig.add(software(0x11005)));
  rig.error = EIO;
  auto placed = rig.place();
  REQUIRE_FALSE(placed);
  CHECK(placed.error().sys_errno == EIO);
  CHECK(rig.ram == before);
  CHECK(rig.sites.placed().slots[0] == Slot{0x200, 1, PointKind::hardware});
  rig.error = 0;
  REQUIRE(rig.place());
  CHECK(rig.patched() == Addresses{0x1005});
}
