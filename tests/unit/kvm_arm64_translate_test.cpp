// The AArch64 page walk: every granule and size, both halves, permissions, tags.
#include "kvm/arch/arm64/abi.hpp"
#include "kvm/arch/arm64/translate.hpp"

#include <catch2/catch.hpp>

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::kvm::arm64;

namespace {

constexpr std::uint64_t table = 3, block = 1, page = 3, used = 1u << 10, el0 = 1u << 6,
                        read_only = 1u << 7, pxn = 1ull << 53, uxn = 1ull << 54;

enum class Granule { k4, k16, k64 };
std::uint64_t tg0(Granule g) {
  return std::uint64_t{g == Granule::k4 ? 0u : g == Granule::k64 ? 1u : 2u} << 14;
}
std::uint64_t tg1(Granule g) {
  return std::uint64_t{g == Granule::k4 ? 2u : g == Granule::k64 ? 3u : 1u} << 30;
}

struct Rig {
  Bytes ram = Bytes(0x80000);
  Ram memory{{{0, ram}}};
  Paging paging{.sctlr = sctlr_m, .ttbr0 = 0x10000, .ttbr1 = 0x40000};
  void sizes(Granule g, unsigned bits, std::uint64_t more = 0) {
    const std::uint64_t unused = 64 - bits;
    paging.tcr = unused | unused << 16 | tg0(g) | tg1(g) | more;
  }
  void put(std::uint64_t at, std::uint64_t value) { REQUIRE(memory.store(GuestPhys{at}, value)); }
  Translation at(std::uint64_t linear) {
    auto out = walk(paging, memory, linear);
    INFO((out ? std::string() : out.error().what));
    REQUIRE(out);
    return *out;
  }
  std::string fault(std::uint64_t linear) {
    auto out = walk(paging, memory, linear);
    REQUIRE_FALSE(out);
    CHECK(out.error().code == Code::memory_fault);
    return out.error().what;
  }
};

} // namespace

TEST_CASE("arm64 walk: the MMU off is identity") {
  Rig rig;
  rig.paging.sctlr = 0;
  const Translation where = rig.at(0xffff000012345678);
  CHECK(where.physical.value == 0xffff000012345678);
  CHECK(where.page_size == 0);
  CHECK(where.root == 0);
  CHECK(where.levels == std::vector<std::string>{"MMU off: physical is virtual"});
}

TEST_CASE("arm64 walk: 4 KiB granule, 48 bits, four levels, page and blocks") {
  Rig rig;
  rig.sizes(Granule::k4, 48);
  // 0x0000'0080'4060'3abc: indices 1, 1, 3, 3
  rig.put(0x10000 + 8, 0x11000 | table);
  rig.put(0x11000 + 8, 0x12000 | table);
  rig.put(0x12000 + 3 * 8, 0x13000 | table);
  rig.put(0x13000 + 3 * 8, 0x7000 | page | used);
  const Translation where = rig.at(0x0000008040603abc);
  CHECK(where.physical.value == 0x7abc);
  CHECK(where.page_size == 0x1000);
  CHECK(where.root == 0x10000);
  CHECK(where.levels.size() == 4);
  CHECK(where.levels[0] == "TTBR0 level 0 0x10008: 0x11003");
  CHECK(where.accessed);
  rig.put(0x12000 + 3 * 8, 0x40000000 | block);
  const Translation two = rig.at(0x0000008040603abc);
  CHECK(two.physical.value == 0x40003abc);
  CHECK(two.page_size == 0x200000);
  CHECK_FALSE(two.accessed);
  rig.put(0x11000 + 8, 0xc0000000 | block | used);
  CHECK(rig.at(0x0000008040603abc).physical.value == 0xc0603abc);
  CHECK(rig.at(0x0000008040603abc).page_size == 1ull << 30);
  rig.put(0x10000 + 8, 0x8000000000 | block); // no block of 512 GiB without DS
  CHECK(rig.fault(0x0000008040603abc).find("level 0 entry at 0x10008") != std::string::npos);
}

TEST_CASE("arm64 walk: the upper half goes through TTBR1, and only sign-extended addresses do") {
  Rig rig;
  rig.sizes(Granule::k4, 39); // three levels, as a small Linux
  rig.put(0x40000 + 511 * 8, 0x41000 | table);
  rig.put(0x41000 + 511 * 8, 0x42000 | table);
  rig.put(0x42000 + 511 * 8, 0x5000 | page | used);
  const Translation where = rig.at(0xfffffffffffff008);
  CHECK(where.physical.value == 0x5008);
  CHECK(where.root == 0x40000);
  CHECK(where.levels.size() == 3);
  CHECK(where.levels[0].starts_with("TTBR1 level 1"));
  CHECK(rig.fault(0x0001000000000000) == "0x1000000000000: not in the 39 bits of TTBR0");
  CHECK(rig.fault(0xfff0000000000000).find("not in the 39 bits of TTBR1") != std::string::npos);
}

TEST_CASE("arm64 walk: 16 KiB granule, 47 bits, three levels and 32 MiB blocks") {
  Rig rig;
  rig.sizes(Granule::k16, 47);
  // level 1: bits 46:36, level 2: 35:25, level 3: 24:14
  const std::uint64_t at = 2ull << 36 | 3ull << 25 | 5ull << 14 | 0x1234;
  rig.put(0x10000 + 2 * 8, 0x14000 | table);
  rig.put(0x14000 + 3 * 8, 0x18000 | table);
  rig.put(0x18000 + 5 * 8, 0x20000 | page | used);
  CHECK(rig.at(at).physical.value == 0x21234);
  CHECK(rig.at(at).page_size == 0x4000);
  rig.put(0x14000 + 3 * 8, 0x2000000 | block | used);
  CHECK(rig.at(at).physical.value == (0x2000000 | 5ull << 14 | 0x1234));
  CHECK(rig.at(at).page_size == 0x2000000);
  rig.put(0x10000 + 2 * 8, block); // no block at level 1
  CHECK(rig.fault(at).find("no page (level 1") != std::string::npos);
}

TEST_CASE("arm64 walk: 48 bits of 16 KiB start at a level 0 of two entries") {
  Rig rig;
  rig.sizes(Granule::k16, 48);
  const std::uint64_t at = 1ull << 47 | 2ull << 36 | 3ull << 25;
  rig.put(0x10000 + 8, 0x18000 | table);
  rig.put(0x18000 + 2 * 8, 0x1c000 | table);
  rig.put(0x1c000 + 3 * 8, 0x2000000 | block | used);
  CHECK(rig.at(at).physical.value == 0x2000000);
  CHECK(rig.at(at).levels.size() == 3);
}

TEST_CASE("arm64 walk: 64 KiB granule, 42 and 48 bits") {
  Rig rig;
  rig.sizes(Granule::k64, 42);
  const std::uint64_t at = 7ull << 29 | 9ull << 16 | 0xfedc;
  rig.put(0x10000 + 7 * 8, 0x20000 | table);
  rig.put(0x20000 + 9 * 8, 0x30000 | page | used);
  CHECK(rig.at(at).physical.value == 0x3fedc);
  CHECK(rig.at(at).page_size == 0x10000);
  CHECK(rig.at(at).levels.size() == 2);
  rig.put(0x10000 + 7 * 8, 0x20000000 | block | used);
  CHECK(rig.at(at).page_size == 0x20000000);
  rig.sizes(Granule::k64, 48);
  const std::uint64_t wide = 3ull << 42 | at;
  rig.put(0x10000 + 3 * 8, 0x60000 | table);
  rig.put(0x60000 + 7 * 8, 0x20000 | table);
  CHECK(rig.at(wide).physical.value == 0x3fedc);
}

TEST_CASE("arm64 walk: 52 bits by LPA (64 KiB) and by LPA2 (4 KiB), virtual and physical") {
  Rig rig;
  rig.sizes(Granule::k64, 52, 6ull << 32);
  // level 1: bits 51:42; bits 15:12 of a descriptor are bits 51:48 of the address
  const std::uint64_t at = 0x201ull << 42 | 7ull << 29 | 9ull << 16 | 0x44;
  rig.put(0x10000 + 0x201 * 8, 0x20000 | table);
  rig.put(0x20000 + 7 * 8, 0x30000 | table);
  rig.put(0x30000 + 9 * 8, 0x50000 | 0xb000 | page | used);
  CHECK(rig.at(at).physical.value == (0xbull << 48 | 0x50044));
  rig.put(0x10000 + 0x201 * 8, 0x400'0000'0000 | 0x3000 | block | used); // 4 TiB block
  CHECK(rig.at(at).physical.value == (3ull << 48 | 0x400'0000'0000 | (at & ((1ull << 42) - 1))));

  rig.sizes(Granule::k4, 52, 1ull << 59);
  // level -1: bits 51:48; bits 9:8 of a descriptor are bits 51:50 of the address
  const std::uint64_t five = 0xaull << 48 | 1ull << 39 | 1ull << 30 | 3ull << 21 | 3ull << 12;
  rig.put(0x10000 + 0xa * 8, 0x11000 | table);
  rig.put(0x11000 + 8, 0x12000 | table);
  rig.put(0x12000 + 8, 0x13000 | table);
  rig.put(0x13000 + 3 * 8, 0x14000 | table);
  rig.put(0x14000 + 3 * 8, 0x3'0000'0000'7000 | 0x200 | page | used);
  CHECK(rig.at(five).physical.value == (2ull << 50 | 0x3'0000'0000'7000));
  CHECK(rig.at(five).levels.size() == 5);
  CHECK(rig.at(five).levels[0].starts_with("TTBR0 level -1"));
  rig.put(0x11000 + 8, 0x8000000000 | block | used); // 512 GiB blocks exist with DS
  CHECK(rig.at(five).page_size == 1ull << 39);
}

TEST_CASE("arm64 walk: the register's low bits: ASID, CnP, and bits 51:48 of a wide table") {
  Rig rig;
  rig.sizes(Granule::k4, 39);
  rig.paging.ttbr0 = 0x0042'0000'0001'0001;
  rig.put(0x10000, 0x40000000 | block | used);
  CHECK(rig.at(0x10).physical.value == 0x40000010);
  CHECK(rig.at(0x10).root == 0x10000);
  rig.sizes(Granule::k64, 42, 6ull << 32);
  rig.paging.ttbr0 = 0x10000 | 0x5 << 2 | 1;
  CHECK(rig.fault(0x10).find("physical 0x5000000010000 is not in memory") != std::string::npos);
}

TEST_CASE("arm64 walk: a tag is ignored where TBI says so, and only in that half") {
  Rig rig;
  rig.sizes(Granule::k4, 39, 1ull << 37);
  rig.put(0x10000, 0x40000000 | block | used);
  rig.put(0x40000, 0x80000000 | block | used);
  CHECK(rig.at(0x5a00000000000010).physical.value == 0x40000010);
  CHECK(rig.at(0xffffff8000000010).physical.value == 0x80000010);
  CHECK(rig.fault(0x5affff8000000010).find("TTBR1") != std::string::npos);
  rig.paging.tcr &= ~(1ull << 37);
  CHECK(rig.fault(0x5a00000000000010).find("TTBR0") != std::string::npos);
}

TEST_CASE("arm64 walk: walks that are off, and fields that say nothing") {
  Rig rig;
  rig.sizes(Granule::k4, 39, 1u << 7);
  CHECK(rig.fault(0x10) == "0x10: walks of TTBR0 are off (TCR.EPD)");
  rig.sizes(Granule::k4, 39, 1u << 23);
  CHECK(rig.fault(0xffffff8000000010).find("walks of TTBR1 are off") != std::string::npos);
  rig.sizes(Granule::k4, 39);
  rig.paging.tcr |= 3u << 14;
  CHECK(rig.fault(0x10) == "0x10: TTBR0: reserved granule");
  rig.sizes(Granule::k4, 60);
  CHECK(rig.fault(0x10) == "0x10: TTBR0: size field 4 is not from 12 to 48");
}

TEST_CASE("arm64 walk: permissions of the last descriptor and of the tables above it") {
  Rig rig;
  rig.sizes(Granule::k4, 30); // two levels
  rig.put(0x10000, 0x11000 | table);
  const auto with = [&](std::uint64_t leaf, std::uint64_t above = 0) {
    rig.put(0x10000, 0x11000 | table | above);
    rig.put(0x11000, 0x7000 | page | used | leaf);
    return rig.at(0x10);
  };
  CHECK(with(0).writable);
  CHECK_FALSE(with(0).user);
  CHECK(with(el0).user);
  CHECK_FALSE(with(read_only).writable);
  CHECK(with(0).executable);
  CHECK(with(uxn).executable); // by the kernel
  CHECK_FALSE(with(uxn | pxn).executable);
  CHECK(with(el0 | pxn).executable);       // by the user
  CHECK(with(pxn).executable);             // the user may run what it may not read
  CHECK_FALSE(with(el0 | uxn).executable); // the kernel never runs what the user may write
  CHECK(with(el0 | uxn | read_only).executable);
  CHECK_FALSE(with(el0, 1ull << 61).user);
  CHECK_FALSE(with(0, 1ull << 62).writable);
  CHECK_FALSE(with(el0, 1ull << 59 | 1ull << 60).executable);
  rig.paging.tcr |= 1ull << 41; // HPD0
  CHECK(with(el0, 3ull << 61).user);
  CHECK(with(el0, 3ull << 61).writable);
}

TEST_CASE(
    "arm64 walk: with hardware dirty marking a read-only entry that may be written is clean") {
  Rig rig;
  rig.sizes(Granule::k4, 30, 1ull << 40);
  rig.put(0x10000, 0x11000 | table);
  rig.put(0x11000, 0x7000 | page | used | read_only | 1ull << 51);
  CHECK(rig.at(0).writable);
  CHECK_FALSE(rig.at(0).dirty);
  rig.put(0x11000, 0x7000 | page | used | 1ull << 51);
  CHECK(rig.at(0).dirty);
}

TEST_CASE("arm64 walk: tables outside of memory and reserved entries are named") {
  Rig rig;
  rig.sizes(Granule::k4, 30);
  rig.put(0x10000, 0x9000000 | table);
  CHECK(rig.fault(0x10) == "0x10: level 3 entry at physical 0x9000000 is not in memory");
  rig.put(0x10000, 0x11000 | table);
  rig.put(0x11000, 0x7000 | block); // reserved at level 3
  CHECK(rig.fault(0x10) == "0x10: no page (level 3 entry at 0x11000 is 0x7001)");
}

TEST_CASE("arm64 walk: an EL2 of one range has neither an upper half nor a user") {
  Rig rig;
  // T0SZ 25, TG0 4K, PS 2, TBI
  rig.paging.tcr = tcr_of_one_range(25 | 2u << 16 | 1u << 20);
  rig.paging.one_range = true;
  CHECK((rig.paging.tcr >> 32 & 7) == 2);
  CHECK((rig.paging.tcr >> 37 & 1) == 1);
  rig.put(0x10000, 0x40000000 | block | used | el0);
  CHECK(rig.at(0x5a00000000000010).physical.value == 0x40000010);
  CHECK_FALSE(rig.at(0x10).user);
  CHECK(rig.at(0x10).executable);
  rig.put(0x10000, 0x40000000 | block | used | uxn);
  CHECK_FALSE(rig.at(0x10).executable);
  CHECK(rig.fault(0x00ffff8000000010).find("TTBR0") != std::string::npos);
}
