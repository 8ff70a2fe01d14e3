#include "kvm/arch/arm64/translate.hpp"
#include "kvm/arch/loongarch64/translate.hpp"
#include "kvm/arch/x86_64/abi.hpp"
#include "kvm/arch/x86_64/translate.hpp"
#include "kvm/region.hpp"

#include <catch2/catch.hpp>

#include <cstring>
#include <functional>

namespace kdbg::kvm {
namespace {

constexpr std::uint64_t top = ~std::uint64_t{0};

/// 2 MiB of RAM, a gap, then ROM at 16 MiB.
struct Guest {
  Bytes ram = Bytes(0x200000), rom = Bytes(0x1000);
  Ram memory{{{0, ram}, {0x1000000, rom, true}}};

  void set(std::uint64_t table, std::uint64_t index, std::uint64_t entry) {
    memory.store(GuestPhys{table + 8 * index}, entry);
  }
};

/// The x86 tables at 0x1000, as a vCPU's snapshot walks them.
class Tables final : public PageTables {
public:
  Tables(const GuestMemory& memory, x86::Paging paging) : memory_(memory), paging_(paging) {}
  Result<Translation> translate(Address at) const override {
    return x86::walk(paging_, memory_, at.value);
  }
  std::uint64_t hole(Address at) const override {
    std::uint64_t size = 0;
    auto walked = x86::walk(paging_, memory_, at.value, x86::Detail::none, &size);
    REQUIRE_FALSE(walked);
    return size;
  }

private:
  const GuestMemory& memory_;
  x86::Paging paging_;
};

/// Those of another CPU: its walk, as a function of address and hole.
class SomeTables final : public PageTables {
public:
  using Walk = std::function<Result<Translation>(std::uint64_t at, std::uint64_t* size)>;
  explicit SomeTables(Walk walk) : walk_(std::move(walk)) {}
  Result<Translation> translate(Address at) const override { return walk_(at.value, nullptr); }
  std::uint64_t hole(Address at) const override {
    std::uint64_t size = 0;
    auto walked = walk_(at.value, &size);
    REQUIRE_FALSE(walked);
    return size;
  }

private:
  Walk walk_;
};

x86::Paging four_levels() {
  return {x86::cr0_pg | 1, 0x1000, x86::cr4_pae, x86::efer_lma | x86::efer_nxe};
}

Region find(const PageTables& tables, const GuestMemory& memory, std::uint64_t at) {
  return find_region(tables, memory, Address{at});
}

TEST_CASE("without paging regions are those of physical memory") {
  Guest guest;
  const Tables tables(guest.memory, {});
  Region region = find(tables, guest.memory, 0x1234);
  CHECK((region.start == 0 && region.last == 0x1fffff && region.name == "RAM"));
  region = find(tables, guest.memory, 0x200000);
  CHECK((region.start == 0x200000 && region.last == 0xffffff && region.name == "MMIO"));
  region = find(tables, guest.memory, 0x1000fff);
  CHECK((region.start == 0x1000000 && region.last == 0x1000fff && region.name == "ROM"));
  CHECK(find(tables, guest.memory, 0x1001000).last == top);
}

TEST_CASE("pages of the same rights are one region, whatever is asked for in it") {
  Guest guest;
  guest.set(0x1000, 0, 0x2000 | 7);
  guest.set(0x2000, 0, 0x3000 | 7);
  guest.set(0x3000, 0, 0x4000 | 7);
  for (std::uint64_t i = 16; i < 32; ++i) {
    guest.set(0x4000, i, i << 12 | 3);
  }
  guest.set(0x4000, 32, 32 << 12 | 1);                            // read only
  guest.set(0x4000, 33, (std::uint64_t{1} << 63) | 33 << 12 | 3); // no code
  guest.set(0x4000, 34, 34 << 12 | 7);                            // user
  guest.set(0x4000, 35, 0x1000000 | 3);                           // ROM
  const Tables tables(guest.memory, four_levels());
  for (const std::uint64_t at : {0x10000, 0x18123, 0x1ffff}) {
    const Region region = find(tables, guest.memory, at);
    CHECK((region.start == 0x10000 && region.last == 0x1ffff && region.mapped));
    CHECK((region.writable && region.executable && !region.user && region.name == "RAM"));
  }
  CHECK_FALSE(find(tables, guest.memory, 0x20000).writable);
  CHECK_FALSE(find(tables, guest.memory, 0x21000).executable);
  CHECK(find(tables, guest.memory, 0x22000).user);
  CHECK(find(tables, guest.memory, 0x23000).name == "ROM");
}

TEST_CASE("holes are told whole, and together with what is mapped they tile all addresses") {
  Guest guest;
  guest.set(0x1000, 0, 0x2000 | 7);
  guest.set(0x2000, 0, 0x3000 | 7);
  guest.set(0x3000, 0, 0 | 0x83); // 2 MiB
  guest.set(0x1000, 511, 0x5000 | 7);
  guest.set(0x5000, 510, 0x6000 | 7);
  guest.set(0x6000, 0, 0 | 0x83);
  const Tables tables(guest.memory, four_levels());
  std::vector<Region> regions;
  std::uint64_t at = 0;
  do {
    regions.push_back(find(tables, guest.memory, at));
    REQUIRE(regions.back().start == at);
    at = regions.back().last + 1;
    REQUIRE(regions.size() < 20);
  } while (at != 0);
  REQUIRE(regions.size() == 4);
  CHECK((regions[0].mapped && regions[0].last == 0x1fffff));
  CHECK((!regions[1].mapped && regions[1].last == 0xffffffff7fffffff));
  CHECK((regions[2].mapped && regions[2].last == 0xffffffff801fffff));
  CHECK(!regions[3].mapped);
}

TEST_CASE("hostile tables cost a bounded look") {
  Guest guest;
  for (std::uint64_t i = 0; i < 512; ++i) {
    guest.set(0x1000, i, 0x1000 | 7); // each level is the first again: 2^36 pages
  }
  const Tables tables(guest.memory, four_levels());
  const Region region = find(tables, guest.memory, 0x5000);
  CHECK(region.mapped);
  CHECK(region.last - region.start < std::uint64_t{1} << 32);
}

TEST_CASE("a direct mapped window of LoongArch ends where it does, also behind the last memory") {
  Guest guest;
  const SomeTables tables([&](std::uint64_t at, std::uint64_t* size) {
    constexpr std::uint64_t paging = 1 << 4; // CRMD.PG
    const loongarch64::Paging registers{
        .crmd = paging, .dmw = {std::uint64_t{8} << 60 | 1, std::uint64_t{9} << 60 | 1}};
    return loongarch64::walk(registers, guest.memory, at, loongarch64::Detail::none, size);
  });
  const std::uint64_t uncached = std::uint64_t{8} << 60, cached = std::uint64_t{9} << 60;
  Region region = find(tables, guest.memory, uncached + 0x2000000);
  CHECK((region.start == uncached + 0x1001000 && region.name == "MMIO"));
  CHECK(region.last == uncached + 0xffffffffffff);
  region = find(tables, guest.memory, cached + 0x1234);
  CHECK((region.start == cached && region.last == cached + 0x1fffff && region.name == "RAM"));
}

TEST_CASE("what lies between the halves of arm64's address space is one hole") {
  Guest guest;
  constexpr std::uint64_t low_half = std::uint64_t{1} << 48;
  for (const std::uint64_t tags : {0, 3}) { // TCR.TBI0 and TBI1
    const arm64::Paging registers{
        .sctlr = 1, .tcr = 16 | 16 << 16 | std::uint64_t{2} << 30 | tags << 37, .ttbr0 = 0x1000};
    const SomeTables tables([&](std::uint64_t at, std::uint64_t* size) {
      return arm64::walk(registers, guest.memory, at, arm64::Detail::none, size);
    });
    guest.set(0x1000, 511, 0x2000 | 3);
    guest.set(0x2000, 511, 0 | 1 | 1 << 10); // the last GiB of the lower half
    const Region last = find(tables, guest.memory, low_half - 1);
    CHECK((last.mapped && last.last == low_half - 1));
    const Region region = find(tables, guest.memory, low_half);
    CHECK((!region.mapped && region.start == low_half));
    CHECK(region.last >= (std::uint64_t{1} << 56) - 1);
    // a tag that is ignored names the same memory
    const std::uint64_t tagged = (std::uint64_t{0x7f} << 56) + low_half - 1;
    CHECK(find(tables, guest.memory, tagged).mapped == (tags != 0));
  }
}

TEST_CASE("the hole around an address that is not canonical holds no canonical one") {
  CHECK(hole_outside(0x800000000000, 48) == std::uint64_t{1} << 47);
  CHECK(hole_outside(0x4000000000000000, 48) == std::uint64_t{1} << 62);
  CHECK(hole_outside(0xffff000000000000, 48) == std::uint64_t{1} << 47);
  CHECK(hole_outside(0x100000000, 32) == std::uint64_t{1} << 32);
}

} // namespace
} // namespace kdbg::kvm
