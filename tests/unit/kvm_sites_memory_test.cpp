// What stands in guest memory for points: hidden in reads, kept in writes, lifted for a step, gone
// at the end.
#include "tests/unit/kvm_sites_rig.hpp"

using namespace kdbg;
using namespace kdbg::test::on_small_memory;

TEST_CASE("reads show the guest's bytes at every place of a range") {
  Rig rig(hardware());
  rig.have({software(0x11000), software(0x11003), software(0x11004)});
  for (std::uint64_t at = 0xffc; at < 0x1008; ++at) {
    for (std::size_t length = 0; length < 12; ++length) {
      Bytes data(length);
      REQUIRE(rig.memory.read(GuestPhys{at}, data) == length);
      rig.sites.hide(GuestPhys{at}, data);
      CHECK(std::equal(data.begin(), data.end(),
                       rig.original.begin() + static_cast<std::ptrdiff_t>(at)));
    }
  }
}

TEST_CASE("writes go under the instruction at every place of a range") {
  for (std::uint64_t at = 0xffc; at < 0x1008; ++at) {
    for (std::size_t length = 0; length < 12; ++length) {
      INFO(std::hex << at << " + " << length);
      Rig rig(hardware());
      rig.have({software(0x11000), software(0x11003), software(0x11004)});
      Bytes data(length, std::byte{0x55});
      if (length > 1) data[1] = int3; // the guest's own
      Bytes want = rig.original;
      std::copy(data.begin(), data.end(), want.begin() + static_cast<std::ptrdiff_t>(at));
      rig.sites.absorb(GuestPhys{at}, data);
      REQUIRE(rig.memory.write(GuestPhys{at}, data) == length);
      for (const std::uint64_t site : {0x1000u, 0x1003u, 0x1004u})
        CHECK(rig.ram[site] == int3);
      Bytes all(0x4000);
      rig.memory.read(GuestPhys{0}, all);
      rig.sites.hide(GuestPhys{0}, all);
      CHECK(all == want);
      REQUIRE(rig.sites.withdraw(rig.memory));
      CHECK(rig.ram == want);
    }
  }
}

TEST_CASE("a byte that the guest has written over ours shows, stays, and is kept") {
  Rig rig(hardware());
  rig.have({software(0x11000)});
  rig.ram[0x1000] = std::byte{0x99};
  Bytes seen(1, std::byte{0x99});
  rig.sites.hide(GuestPhys{0x1000}, seen);
  CHECK(seen[0] == std::byte{0x99});
  REQUIRE(rig.place()); // the next run: the instruction is put over the new byte
  CHECK(rig.ram[0x1000] == int3);
  REQUIRE(rig.sites.withdraw(rig.memory));
  CHECK(rig.ram[0x1000] == std::byte{0x99});
}

TEST_CASE("an int3 of the guest's own under a site is still there afterwards") {
  Rig rig(hardware());
  rig.ram[0x1000] = int3;
  rig.have({software(0x11000)});
  Bytes seen(1, int3);
  rig.sites.hide(GuestPhys{0x1000}, seen);
  CHECK(seen[0] == int3);
  REQUIRE(rig.sites.withdraw(rig.memory));
  CHECK(rig.ram[0x1000] == int3);
}

TEST_CASE("an instruction is lifted for a step and put back, also over a byte written meanwhile") {
  Rig rig(hardware());
  rig.have({software(0x11000)});
  rig.sites.lift(rig.memory, GuestPhys{0x1000});
  CHECK(rig.ram == rig.original);
  CHECK(rig.sites.installed_at(GuestPhys{0x1000}));
  REQUIRE(rig.sites.restore(rig.memory, GuestPhys{0x1000}));
  CHECK(rig.patched() == Addresses{0x1000});
  rig.sites.lift(rig.memory, GuestPhys{0x1000});
  rig.ram[0x1000] = std::byte{0x99}; // the stepped instruction writes over itself
  REQUIRE(rig.sites.restore(rig.memory, GuestPhys{0x1000}));
  CHECK(rig.ram[0x1000] == int3);
  REQUIRE(rig.sites.withdraw(rig.memory));
  CHECK(rig.ram[0x1000] == std::byte{0x99});
}

TEST_CASE("an instruction that was lifted is not taken for one that the guest wrote over") {
  HostFacts facts = hardware();
  facts.write_protect = true;
  Rig rig(facts);
  rig.have({software(0x11000)});
  rig.sites.lift(rig.memory, GuestPhys{0x1000});
  REQUIRE(rig.sites.restore(rig.memory, GuestPhys{0x1000}));
  REQUIRE(rig.place());
  CHECK(rig.of(software(0x11000)).method == Method::instruction); // no slot for it
  CHECK_FALSE(rig.of(software(0x11000)).guarded);
  rig.sites.lift(rig.memory, GuestPhys{0x1000});
  rig.ram[0x1000] = std::byte{0x99};
  REQUIRE(rig.sites.restore(rig.memory, GuestPhys{0x1000}));
  REQUIRE(rig.place());
  CHECK(rig.of(software(0x11000)).method == Method::slots);
}

TEST_CASE("withdrawn instructions are found and installed anew at the next run") {
  Rig rig(hardware());
  rig.have({software(0x11000)});
  REQUIRE(rig.sites.withdraw(rig.memory));
  CHECK(rig.ram == rig.original);
  CHECK(rig.of(software(0x11000)).method == Method::pending);
  REQUIRE(rig.place());
  CHECK(rig.patched() == Addresses{0x1000});
}

TEST_CASE("after memory is loaded anew its bytes are the ones to keep") {
  Rig rig(hardware());
  rig.have({software(0x11000)});
  rig.sites.forget_memory();
  std::fill(rig.ram.begin(), rig.ram.end(), std::byte{0x11});
  rig.original = rig.ram;
  REQUIRE(rig.place());
  CHECK(rig.patched() == Addresses{0x1000});
  REQUIRE(rig.sites.withdraw(rig.memory));
  CHECK(rig.ram == rig.original);
}
