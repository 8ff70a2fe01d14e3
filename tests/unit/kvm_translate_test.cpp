// The x86 page walk, in every paging mode, on tables built here.
#include "kvm/arch/x86_64/abi.hpp"
#include "kvm/arch/x86_64/translate.hpp"

#include <catch2/catch.hpp>

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::kvm::x86;

namespace {

constexpr std::uint64_t p = 1, rw = 2, us = 4, ps = 0x80, pat = 0x80, large_pat = 0x1000,
                        nx = 1ull << 63;

struct Tables {
  Bytes bytes = Bytes(0x20000);
  Ram ram{{{0, bytes}}};
  void put64(std::uint64_t at, std::uint64_t entry) { REQUIRE(ram.store(GuestPhys{at}, entry)); }
  void put32(std::uint64_t at, std::uint32_t entry) { REQUIRE(ram.store(GuestPhys{at}, entry)); }
  Translation found(const Paging& paging, std::uint64_t linear) {
    INFO(std::hex << linear);
    auto out = walk(paging, ram, linear);
    if (!out) FAIL(out.error().what);
    return *out;
  }
  std::uint64_t physical(const Paging& paging, std::uint64_t linear) {
    return found(paging, linear).physical.value;
  }
  std::string refused(const Paging& paging, std::uint64_t linear) {
    auto out = walk(paging, ram, linear);
    if (out) return "found";
    CHECK(out.error().code == Code::memory_fault);
    return out.error().what;
  }
};

Paging legacy(std::uint64_t cr3, bool pse = true) {
  return {cr0_pe | cr0_pg, cr3, pse ? cr4_pse : 0, 0};
}
Paging pae(std::uint64_t cr3) {
  return {cr0_pe | cr0_pg, cr3, cr4_pae, efer_nxe};
}
Paging four(std::uint64_t cr3) {
  return {cr0_pe | cr0_pg, cr3, cr4_pae, efer_lma | efer_nxe};
}
Paging five(std::uint64_t cr3) {
  return {cr0_pe | cr0_pg, cr3, cr4_pae | cr4_la57, efer_lma | efer_nxe};
}

/// 4-level: 0xffff888040201xxx through 1000, 2000, 3000, 4000.
constexpr std::uint64_t high = 0xffff888040201000; // indices 0x111, 1, 1, 1
struct FourLevel : Tables {
  FourLevel() {
    put64(0x1000 + 8 * 0x111, 0x2000 | p | rw | us);
    put64(0x2000 + 8, 0x3000 | p | rw | us);
    put64(0x3000 + 8, 0x4000 | p | rw | us);
    put64(0x4000 + 8, 0x123456789000 | pat | p | rw | us);
  }
};

} // namespace

TEST_CASE("with paging off physical is linear") {
  Tables tables;
  for (const std::uint64_t linear : {0x0ull, 0x1234ull, 0xffffffffull, 0x123456789abull}) {
    const Translation found = tables.found({cr0_pe, 0x1000, cr4_pae, 0}, linear);
    CHECK(found.physical.value == linear);
    CHECK(found.page_size == 0);
    CHECK((found.writable && found.user && found.executable));
  }
}

TEST_CASE("32-bit paging: 4 KiB pages") {
  Tables tables;
  tables.put32(0x1000 + 4 * 0x3ff, 0x2000 | p | rw | us);
  tables.put32(0x2000 + 4 * 0x3fe, 0xabcde000 | pat | p | rw | us);
  const Translation found = tables.found(legacy(0x1000), 0xffffe123);
  CHECK(found.physical.value == 0xabcde123);
  CHECK(found.page_size == 0x1000);
  CHECK(found.executable);
  REQUIRE(found.levels.size() == 2);
  CHECK(found.levels[0] == "PDE 0x1ffc: 0x2007");
  CHECK(found.levels[1] == "PTE 0x2ff8: 0xabcde087");
  CHECK(tables.refused(legacy(0x1000), 0xfffff000) == "0xfffff000: no page (PTE at 0x2ffc is 0x0)");
  CHECK(tables.refused(legacy(0x1000), 0x1000) == "0x1000: no page (PDE at 0x1000 is 0x0)");
  CHECK(tables.refused(legacy(0x1000), 0x100000000) ==
        "0x100000000 is beyond 32-bit linear addresses");
}

TEST_CASE("32-bit paging: 4 MiB pages, with bits 32-39 of PSE-36, and only with CR4.PSE") {
  Tables tables;
  tables.put32(0x1000 + 4, 0x80000000 | ps | p | rw);
  tables.put32(0x1000 + 8,
               0x00c00000 | 0xab << 13 | static_cast<std::uint32_t>(large_pat) | ps | p);
  const Translation found = tables.found(legacy(0x1000), 0x7fffff);
  CHECK(found.physical.value == 0x803fffff);
  CHECK(found.page_size == 0x400000);
  CHECK(tables.physical(legacy(0x1000), 0x812345) == 0xab00c12345);
  // without PSE the bit means nothing: the entry names a page table
  tables.put32(0x1000 + 4, 0x3000 | ps | p | rw);
  tables.put32(0x3000, 0x5000 | p);
  CHECK(tables.physical(legacy(0x1000, false), 0x400010) == 0x5010);
}

TEST_CASE("PAE paging: 4 KiB and 2 MiB pages under four pointers at a 32-byte boundary") {
  Tables tables;
  const std::uint64_t cr3 = 0x1020; // not page-aligned: PDPTEs need only 32 bytes
  tables.put64(cr3 + 8 * 3, 0x2000 | p);
  tables.put64(0x2000 + 8 * 0x1ff, 0x3000 | p | rw | us);
  tables.put64(0x3000 + 8 * 0x1ff, 0xfedcba000 | p | rw | us);
  tables.put64(0x2000 + 8 * 1, 0x12ffe00000 | large_pat | ps | p | rw | us | nx);
  const Translation small = tables.found(pae(cr3 | 0x18), 0xffffffff); // PWT and PCD are ignored
  CHECK(small.physical.value == 0xfedcbafff);
  CHECK(small.page_size == 0x1000);
  CHECK((small.writable && small.user && small.executable)); // a PDPTE has no say in that
  const Translation large = tables.found(pae(cr3), 0xc0200000 + 0x12345);
  CHECK(large.physical.value == 0x12ffe12345);
  CHECK(large.page_size == 0x200000);
  CHECK_FALSE(large.executable);
  CHECK(tables.refused(pae(cr3), 0) == "0x0: no page (PDPTE at 0x1020 is 0x0)");
  CHECK(tables.refused(pae(cr3), 0xc0400000).find("(PDE at 0x2010 is 0x0)") != std::string::npos);
}

TEST_CASE("PAE paging: bit 7 of a PDPTE does not end the walk") {
  Tables tables;
  tables.put64(0x1000, 0x2000 | ps | p);
  tables.put64(0x2000, 0x3000 | p);
  tables.put64(0x3000, 0x7000 | p);
  CHECK(tables.physical(pae(0x1000), 0x10) == 0x7010);
}

TEST_CASE("4-level paging: 4 KiB, 2 MiB and 1 GiB pages") {
  FourLevel tables;
  const Translation small = tables.found(four(0x1000), high + 0xfff);
  CHECK(small.physical.value == 0x123456789fff);
  CHECK(small.page_size == 0x1000);
  REQUIRE(small.levels.size() == 4);
  CHECK(small.levels[0].find("PML4E 0x1888: ") == 0);
  CHECK(small.levels[3].find("PTE 0x4008: ") == 0);
  tables.put64(0x3000 + 16, 0xffffffe00000 | large_pat | ps | p | rw | us);
  const Translation middle = tables.found(four(0x1000), 0xffff888040400000 + 0x1fffff);
  CHECK(middle.physical.value == 0xffffffffffff);
  CHECK(middle.page_size == 0x200000);
  tables.put64(0x2000 + 16, 0xfffc0000000 | large_pat | ps | p | rw | us);
  const Translation big = tables.found(four(0x1000), 0xffff888080000000 + 0x3fffffff);
  CHECK(big.physical.value == 0xfffffffffff);
  CHECK(big.page_size == 0x40000000);
}

TEST_CASE("4-level paging: bit 7 of a PML4E does not end the walk") {
  FourLevel tables;
  tables.put64(0x1000 + 8 * 0x111, 0x2000 | ps | p | rw | us);
  CHECK(tables.physical(four(0x1000), high) == 0x123456789000);
}

TEST_CASE("5-level paging has one level more") {
  FourLevel tables;
  tables.put64(0x8000 + 8 * 0x1a5, 0x1000 | p | rw | us);
  const std::uint64_t linear = 0xffa5888040201010; // bits 48-56 are 0x1a5
  const Translation found = tables.found(five(0x8000), linear);
  CHECK(found.physical.value == 0x123456789010);
  REQUIRE(found.levels.size() == 5);
  CHECK(found.levels[0] == "PML5E 0x8d28: 0x1007");
  CHECK(tables.refused(four(0x1000), linear) == "0xffa5888040201010 is not canonical");
}

TEST_CASE("addresses that are not canonical are refused before any table is read") {
  Tables tables;
  const Paging nowhere4 = four(0x900000), nowhere5 = five(0x900000);
  for (const std::uint64_t bad : {0x0000800000000000ull, 0xffff7fffffffffffull, 1ull << 63})
    CHECK(tables.refused(nowhere4, bad).find("is not canonical") != std::string::npos);
  for (const std::uint64_t bad : {0x0100000000000000ull, 0xfeffffffffffffffull})
    CHECK(tables.refused(nowhere5, bad).find("is not canonical") != std::string::npos);
  for (const std::uint64_t good : {0x00007fffffffffffull, 0xffff800000000000ull})
    CHECK(tables.refused(nowhere4, good).find("is not in memory") != std::string::npos);
  for (const std::uint64_t good : {0x00ffffffffffffffull, 0xff00000000000000ull})
    CHECK(tables.refused(nowhere5, good).find("is not in memory") != std::string::npos);
}

TEST_CASE("the level without a page is named, whichever it is") {
  const struct {
    std::uint64_t at;
    const char* level;
  } cases[] = {{0x1000 + 8 * 0x111, "PML4E at 0x1888"},
               {0x2008, "PDPTE at 0x2008"},
               {0x3008, "PDE at 0x3008"},
               {0x4008, "PTE at 0x4008"}};
  for (const auto& each : cases) {
    FourLevel tables;
    tables.put64(each.at, 0xdeadbee00); // present is clear: the rest is the guest's own
    const std::string why = tables.refused(four(0x1000), high);
    CHECK(why == "0xffff888040201000: no page (" + std::string(each.level) + " is 0xdeadbee00)");
  }
}

TEST_CASE("a table outside memory is named with its address") {
  FourLevel tables;
  tables.put64(0x2008, 0x7f0000000 | p);
  CHECK(tables.refused(four(0x1000), high) ==
        "0xffff888040201000: PDE at physical 0x7f0000008 is not in memory");
  CHECK(tables.refused(four(0x20000), high).find("PML4E at physical 0x20888") != std::string::npos);
  Bytes half(0x1004);
  Ram cut{{{0, half}}}; // the entry's second half is beyond the end
  CHECK_FALSE(walk(four(0x1000), cut, 0));
}

TEST_CASE("an address may be written, used in ring 3 or executed when every level agrees") {
  const std::uint64_t entries[] = {0x1000 + 8 * 0x111, 0x2008, 0x3008, 0x4008};
  for (const std::uint64_t at : entries) {
    const auto with = [&](std::uint64_t set, std::uint64_t clear) {
      FourLevel tables;
      std::uint64_t entry = 0;
      REQUIRE(tables.ram.load(GuestPhys{at}, entry));
      tables.put64(at, (entry | set) & ~clear);
      return tables.found(four(0x1000), high);
    };
    CHECK(with(0, 0).writable);
    CHECK(with(0, 0).user);
    CHECK(with(0, 0).executable);
    CHECK_FALSE(with(0, rw).writable);
    CHECK(with(0, rw).user);
    CHECK_FALSE(with(0, us).user);
    CHECK_FALSE(with(nx, 0).executable);
    CHECK(with(nx, 0).writable);
    CHECK(with(nx, 0).physical.value == 0x123456789000);
  }
  FourLevel tables; // without EFER.NXE the bit says nothing here
  tables.put64(0x4008, 0x5000 | p | nx);
  Paging without = four(0x1000);
  without.efer = efer_lma;
  CHECK(tables.found(without, high).executable);
}

TEST_CASE("32-bit paging: permissions are the levels' together") {
  Tables tables;
  tables.put32(0x1000, 0x2000 | p | us);
  tables.put32(0x2000, 0x3000 | p | rw);
  const Translation found = tables.found(legacy(0x1000), 0);
  CHECK_FALSE(found.writable);
  CHECK_FALSE(found.user);
}

TEST_CASE("CR3's low bits, PCID and the no-flush bit are not part of the root") {
  FourLevel tables;
  CHECK(tables.physical(four(0x1fff), high) == 0x123456789000);
  CHECK(tables.physical(four(0x1000 | 1ull << 63), high) == 0x123456789000);
  tables.put32(0x9000, 0xa000 | p);
  tables.put32(0xa000, 0xb000 | p);
  CHECK(tables.physical(legacy(0x9018), 0x10) == 0xb010);
  CHECK(tables.physical(legacy(0xffffffff00009000), 0x10) == 0xb010);
}
