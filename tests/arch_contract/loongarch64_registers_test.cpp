// LoongArch's registers, address translation and core notes.
#include "kvm/arch/loongarch64/translate.hpp"
#include "tests/arch_contract/loongarch64_rig.hpp"

#include <cerrno>

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::test::la;
using loongarch64::Csr;
using loongarch64::Paging;

namespace {

/// Three levels of 4 KiB pages: Dir2 at 0x1000 for the lower half, at 0x5000 for the upper one.
struct Tables {
  Bytes ram = Bytes(0x8000);
  Ram memory{{{0, ram}}};
  Paging paging{loongarch64::crmd_pg,
                0x1000,
                0x5000,
                12 | 9 << 5 | 21 << 10 | 9 << 15 | 30 << 20 | 9u << 25,
                0,
                {}};
  void put(std::uint64_t at, std::uint64_t entry) { REQUIRE(memory.store(GuestPhys{at}, entry)); }
  Result<Translation> walk(std::uint64_t at) const { return loongarch64::walk(paging, memory, at); }
};
constexpr std::uint64_t valid = 1, dirty = 2, user = 3 << 2, huge = 1 << 6, present = 1 << 7,
                        may_write = 1 << 8;

} // namespace

TEST_CASE("loongarch64: registers by their names") {
  Rig rig;
  rig.kernel.r(rig.fd(), 3) = 0x1111;
  rig.kernel.r(rig.fd(), 22) = 0x2222;
  CHECK(rig.read("r3") == 0x1111);
  CHECK(rig.read("r22") == 0x2222);
  CHECK(rig.read("r0") == 0);
  CHECK(rig.read("orig_a0") == 0);
  CHECK(rig.write("r0", 0));
  CHECK_FALSE(rig.write("r0", 1));
  CHECK_FALSE(rig.write("pc", 0x1002));
  CHECK(rig.write("r5", 77));
  CHECK(rig.write("r6", 78));
  CHECK(rig.read("r5") == 77);
  CHECK(rig.write("fcc2", 1));
  CHECK(rig.kernel.fcc(rig.fd()) == 1u << 16);
  CHECK(rig.read("fcc2") == 1);
  CHECK(rig.read("fcc1") == 0);
  CHECK(rig.write("f7", 0x3ff0000000000000));
  CHECK(rig.read("f7") == 0x3ff0000000000000);
  CHECK(rig.write("save3", 5));
  CHECK(rig.kernel.csr(rig.fd(), Csr::save0, 3) == 5);
  const ArchInfo& info = rig.arch->info();
  CHECK(info.registers[index(info.pc)].name == "pc");
  CHECK(info.registers[index(info.sp)].name == "r3");
  CHECK(info.registers[index(info.fp)].name == "r22");
  CHECK(info.elf_machine == 258);
  CHECK(rig.cpu().describe() == "privilege level 0, direct addressing");
}

TEST_CASE("loongarch64: a vector register holds the double of its number") {
  Rig rig;
  Bytes wide(16);
  for (std::size_t i = 0; i < wide.size(); ++i) {
    wide[i] = static_cast<std::byte>(i + 1);
  }
  REQUIRE(rig.cpu().write(rig.id("vr9"), wide));
  auto back = rig.cpu().read(rig.id("vr9"));
  REQUIRE(back);
  CHECK(*back == wide);
  CHECK(rig.read("f9") == 0x0807060504030201);
  REQUIRE(rig.write("f9", 0));
  back = rig.cpu().read(rig.id("vr9"));
  REQUIRE(back);
  CHECK((*back)[0] == std::byte{0});
  CHECK((*back)[15] == std::byte{16});
  CHECK_FALSE(rig.cpu().write(rig.id("vr9"), Bytes(8)));
}

TEST_CASE("loongarch64: NT_PRSTATUS has r0 to r31, then pc and the system registers") {
  const auto arch = make_loongarch64(facts());
  std::size_t at = 0, pc_at = 0, r31_at = 0, estat_at = 0;
  for (const CoreField& field : arch->info().core_notes.front().fields) {
    if (field.reg == "pc") pc_at = at;
    if (field.reg == "r31") r31_at = at;
    if (field.reg == "estat") estat_at = at;
    at += field.bytes;
  }
  CHECK(at == 480);
  CHECK(r31_at == 112 + 31 * 8);
  CHECK(pc_at == 112 + 33 * 8);
  CHECK(estat_at == 112 + 39 * 8);
}

TEST_CASE("loongarch64: direct addressing, and windows by privilege level") {
  Tables t;
  t.paging.crmd = loongarch64::crmd_da;
  auto direct = t.walk(0x9000000012345678);
  REQUIRE(direct);
  CHECK((*direct).physical.value == 0x12345678);
  CHECK((*direct).page_size == 0);
  t.paging.crmd = loongarch64::crmd_pg;
  t.paging.dmw[1] = 0x9000000000000011;
  auto kernel = t.walk(0x9000000012345678);
  REQUIRE(kernel);
  CHECK((*kernel).physical.value == 0x12345678);
  CHECK((*kernel).root == 0);
  CHECK_FALSE((*kernel).user);
  CHECK((*kernel).levels.front().find("window 1") != std::string::npos);
  t.paging.crmd |= 3; // from a process: shown all the same, and said
  auto from_process = t.walk(0x9000000012345678);
  REQUIRE(from_process);
  CHECK((*from_process).levels.back().find("not for the present") != std::string::npos);
  CHECK_FALSE(t.walk(0x8000000012345678));
  // A window over the lower half counts for its own level only where tables have nothing.
  t.paging.dmw[0] = 0x0000000000000011;
  t.put(0x1000, 0x2000);
  t.put(0x2000, 0x3000);
  t.put(0x3000, 0x7000 | valid | user);
  auto table = t.walk(0x123);
  REQUIRE(table);
  CHECK((*table).physical.value == 0x7123);
  t.paging.crmd &= ~loongarch64::crmd_plv;
  auto windowed = t.walk(0x123);
  REQUIRE(windowed);
  CHECK((*windowed).physical.value == 0x123);
}

TEST_CASE("loongarch64: page tables by PWCL and PWCH, for either half") {
  Tables t;
  t.put(0x1000 + 8, 0x9000000000002000); // Linux stores a window's address
  t.put(0x2000 + 16, 0x3000);
  t.put(0x3000 + 24, 0x7000 | valid | dirty | user | present | may_write);
  const std::uint64_t at = (1ull << 30) + (2ull << 21) + (3ull << 12) + 0x45;
  auto found = t.walk(at);
  REQUIRE(found);
  CHECK((*found).physical.value == 0x7045);
  CHECK((*found).page_size == 0x1000);
  CHECK((*found).root == 0x1000);
  CHECK((*found).levels.size() == 3);
  CHECK((*found).user);
  CHECK((*found).writable);
  CHECK((*found).dirty);
  CHECK((*found).executable);
  CHECK(t.walk(at + 0x1000).error().what.find("no page (PT at") != std::string::npos);
  CHECK(t.walk(at + (1ull << 21)).error().what.find("no page (Dir1") != std::string::npos);
  CHECK_FALSE(t.walk(1ull << 50));
  // The upper half has tables of its own.
  t.put(0x5000 + 8 * 511, 0x6000);
  t.put(0x6000 + 8 * 511, 0x3000);
  auto upper = t.walk(~std::uint64_t{0} - (508ull << 12) - 0xfba);
  REQUIRE(upper);
  CHECK((*upper).physical.value == 0x7045);
  CHECK((*upper).root == 0x5000);
}

TEST_CASE("loongarch64: flags of an entry, and pages that are not in use yet") {
  Tables t;
  t.put(0x1000, 0x2000);
  t.put(0x2000, 0x3000);
  const auto with = [&](std::uint64_t entry) {
    t.put(0x3000, entry);
    return t.walk(0);
  };
  auto kernel = with(0x7000 | valid);
  REQUIRE(kernel);
  CHECK_FALSE((*kernel).user);
  CHECK_FALSE((*kernel).writable);
  CHECK_FALSE((*kernel).dirty);
  auto guarded = with(0x7000 | valid | 7ull << 61);
  REQUIRE(guarded);
  CHECK_FALSE((*guarded).executable);
  CHECK((*guarded).physical.value == 0x7000);
  CHECK((*guarded).levels.back().find("not readable") != std::string::npos);
  CHECK((*guarded).levels.back().find("privilege level alone") != std::string::npos);
  auto clean = with(0x7000 | valid | may_write);
  REQUIRE(clean);
  CHECK((*clean).writable);
  CHECK_FALSE((*clean).dirty);
  auto idle_page = with(0x7000 | present);
  REQUIRE(idle_page);
  CHECK_FALSE((*idle_page).accessed);
  CHECK_FALSE(with(0x7000));
}

TEST_CASE("loongarch64: huge pages at every level") {
  Tables t;
  t.put(0x1000, 0x40001000 | huge | valid); // bit 12 is a huge page's G
  auto giga = t.walk(0x12345678);
  REQUIRE(giga);
  CHECK((*giga).physical.value == 0x52345678);
  CHECK((*giga).page_size == 1u << 30);
  t.put(0x1000, 0x2000);
  t.put(0x2000 + 8, 0x400000 | huge | valid | dirty);
  auto mega = t.walk(0x212345);
  REQUIRE(mega);
  CHECK((*mega).physical.value == 0x412345);
  CHECK((*mega).page_size == 1u << 21);
  t.put(0x2000 + 8, 0x400000 | huge);
  CHECK_FALSE(t.walk(0x212345));
}

TEST_CASE("loongarch64: other geometries: 16 KiB pages, four levels, wide entries, no table") {
  Tables t;
  t.paging.pwcl = 14 | 11 << 5 | 25 << 10 | 11u << 15;
  t.put(0x1000 + 8, 0x2000);
  t.put(0x2000 + 8, 0x8000 | valid);
  auto sixteen = t.walk((1u << 25) + (1u << 14) + 0x3abc);
  REQUIRE(sixteen);
  CHECK((*sixteen).physical.value == 0xbabc);
  CHECK((*sixteen).page_size == 0x4000);
  t.paging.pwcl = 12 | 9 << 5 | 21 << 10 | 9 << 15 | 30 << 20 | 9u << 25;
  t.paging.pwch = 39 | 8 << 6;
  t.put(0x1000 + 8, 0x2000);
  t.put(0x2000, 0x3000);
  t.put(0x3000, 0x4000);
  t.put(0x4000, 0x7000 | valid);
  auto four = t.walk((1ull << 39) + 0x10);
  REQUIRE(four);
  CHECK((*four).physical.value == 0x7010);
  CHECK((*four).levels.size() == 4);
  t.paging.pwch = 0;
  t.paging.pwcl = 12 | 9 << 5 | 1u << 30; // entries of 16 bytes
  t.put(0x1000 + 16, 0x6000 | valid);
  auto wide = t.walk(0x1010);
  REQUIRE(wide);
  CHECK((*wide).physical.value == 0x6010);
  t.paging.pwcl = 0;
  CHECK_FALSE(t.walk(0));
}

TEST_CASE("loongarch64: a named root is for the lower half; the snapshot keeps what it was") {
  Rig rig;
  rig.put<std::uint64_t>(0x8000 + 8, {0x9000});
  rig.put<std::uint64_t>(0x9000, {0x7000 | valid});
  rig.kernel.csr(rig.fd(), Csr::pwcl) = 12 | 9 << 5 | 21 << 10 | 9 << 15;
  rig.kernel.csr(rig.fd(), Csr::dmw0) = 0x9000000000000011;
  const Address named{(1u << 21) + 0x21, {Space::Kind::root, 0x8000}};
  auto found = rig.cpu().translate(named);
  REQUIRE(found);
  CHECK((*found).physical.value == 0x7021);
  CHECK((*found).root == 0x8000);
  auto tables = rig.cpu().page_tables();
  REQUIRE(tables);
  CHECK((*tables)->translate(named));
  auto windowed = rig.cpu().translate(Address{0x9000000000001234, {Space::Kind::root, 0x8000}});
  REQUIRE(windowed);
  CHECK((*windowed).physical.value == 0x1234);
  rig.kernel.csr(rig.fd(), Csr::crmd) = loongarch64::crmd_pg;
  rig.kernel.csr(rig.fd(), Csr::pgdl) = 0x8000;
  auto direct = (*tables)->translate(Address{0x55});
  REQUIRE(direct);
  CHECK((*direct).physical.value == 0x55);
  rig.cpu().exited();
  CHECK_FALSE(rig.cpu().registers_at_hand());
  auto root = rig.cpu().root();
  REQUIRE(root);
  CHECK(*root == 0x8000);
}
