// RISC-V's registers, page walk and core notes.
#include "kvm/arch/riscv64/abi.hpp"
#include "kvm/arch/riscv64/translate.hpp"
#include "tests/arch_contract/riscv64_rig.hpp"

#include <algorithm>
#include <cerrno>

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::test::rv;
using riscv64::Csr;

namespace {

constexpr std::uint64_t valid = 1, r = 2, w = 4, x = 8, u = 16, a = 64, d = 128;
constexpr std::uint64_t leaf = valid | r | w | x | a | d;

/// A walk over tables at 0x1000 (root), 0x2000, 0x3000, 0x4000, 0x5000.
struct Tables {
  Bytes ram = Bytes(0x8000);
  Ram memory{{{0, ram}}};
  void put(std::uint64_t at, std::uint64_t entry) { REQUIRE(memory.store(GuestPhys{at}, entry)); }
  static constexpr std::uint64_t pointer(std::uint64_t table) { return table >> 2 | valid; }
  static constexpr std::uint64_t page(std::uint64_t frame, std::uint64_t flags) {
    return frame >> 2 | flags;
  }
  Result<Translation> walk(unsigned levels, std::uint64_t at) {
    return riscv64::walk(std::uint64_t{levels + 5} << 60 | 0x7ull << 44 | 1, memory, at);
  }
};

} // namespace

TEST_CASE("riscv64: registers by their names") {
  Rig rig;
  rig.kernel.x(rig.fd(), 2) = 0x1111;
  rig.kernel.x(rig.fd(), 8) = 0x2222;
  CHECK(rig.read("sp") == 0x1111);
  CHECK(rig.read("fp") == 0x2222);
  CHECK(rig.read("zero") == 0);
  CHECK(rig.read("pc") == Rig::entry);
  CHECK(rig.write("zero", 0));
  CHECK_FALSE(rig.write("zero", 1));
  CHECK_FALSE(rig.write("pc", 0x1001));
  CHECK(rig.write("fcsr", 0xe1));
  CHECK(rig.read("frm") == 7);
  CHECK(rig.read("fflags") == 1);
  CHECK(rig.write("frm", 2));
  CHECK(rig.read("fcsr") == 0x41);
  CHECK_FALSE(rig.write("frm", 8));
  CHECK(rig.write("priv", 0));
  CHECK_FALSE(rig.write("priv", 3));
  CHECK(rig.cpu().describe() == "user mode, bare");
  const ArchInfo& info = rig.arch->info();
  CHECK(info.registers[index(info.pc)].name == "pc");
  CHECK(info.registers[index(info.sp)].name == "sp");
  CHECK(info.registers[index(info.fp)].name == "fp");
  CHECK(info.elf_machine == 243);
}

TEST_CASE("riscv64: a CPU without floating point says so") {
  Rig rig;
  rig.kernel.has_floating_point = false;
  auto value = rig.cpu().read(rig.id("ft0"));
  REQUIRE_FALSE(value);
  CHECK(value.error().code == Code::unsupported);
  CHECK(value.error().sys_errno == ENOENT);
}

TEST_CASE("riscv64: NT_PRSTATUS has pc and x1 to x31 at 112") {
  const auto arch = make_riscv64(facts());
  std::size_t at = 0, pc_at = 0, last_at = 0;
  for (const CoreField& field : arch->info().core_notes.front().fields) {
    if (field.reg == "pc") pc_at = at;
    if (field.reg == "t6") last_at = at;
    at += field.bytes;
  }
  CHECK(at == 376);
  CHECK(pc_at == 112);
  CHECK(last_at == 112 + 31 * 8);
}

TEST_CASE("riscv64: Sv39, Sv48 and Sv57 down to 4 KiB") {
  for (const unsigned levels : {3u, 4u, 5u}) {
    Tables t;
    for (unsigned n = 0; n + 1 < levels; ++n) {
      t.put(0x1000 * (n + 1) + 8, Tables::pointer(0x1000 * (n + 2)));
    }
    t.put(0x1000 * levels + 8, Tables::page(0x7000, leaf | u));
    std::uint64_t at = 0x123;
    for (unsigned n = 0; n < levels; ++n) {
      at += std::uint64_t{1} << (12 + 9 * n);
    }
    auto found = t.walk(levels, at);
    REQUIRE(found);
    CHECK((*found).physical.value == 0x7123);
    CHECK((*found).page_size == 0x1000);
    CHECK((*found).user);
    CHECK((*found).root == 0x1000);
    CHECK((*found).levels.size() == levels);
    CHECK_FALSE(t.walk(levels, at | std::uint64_t{1} << (11 + 9 * levels)));
    CHECK(t.walk(levels, ~std::uint64_t{0}).error().what.find("no page") != std::string::npos);
  }
}

TEST_CASE("riscv64: superpages, and those that are not aligned") {
  Tables t;
  t.put(0x1000, Tables::page(0x40000000, valid | r | x));
  auto giga = t.walk(3, 0x12345678);
  REQUIRE(giga);
  CHECK((*giga).physical.value == 0x52345678);
  CHECK((*giga).page_size == 1u << 30);
  CHECK_FALSE((*giga).writable);
  CHECK((*giga).executable);
  CHECK_FALSE((*giga).user);
  CHECK_FALSE((*giga).accessed);
  t.put(0x1000, Tables::page(0x40200000, leaf));
  CHECK(t.walk(3, 0).error().what.find("misaligned superpage") != std::string::npos);
  t.put(0x1000, Tables::pointer(0x2000));
  t.put(0x2000, Tables::page(0x200000, leaf & ~x));
  auto mega = t.walk(3, 0x1234);
  REQUIRE(mega);
  CHECK((*mega).page_size == 1u << 21);
  CHECK_FALSE((*mega).executable);
  CHECK((*mega).dirty);
}

TEST_CASE("riscv64: entries that fault, and extensions that do not") {
  Tables t;
  t.put(0x1000, Tables::pointer(0x2000));
  t.put(0x2000, Tables::pointer(0x3000));
  const auto with = [&](std::uint64_t entry) {
    t.put(0x3000 + 8, entry);
    return t.walk(3, 0x1abc);
  };
  CHECK_FALSE(with(Tables::page(0x7000, leaf & ~valid)));
  CHECK_FALSE(with(Tables::page(0x7000, valid | w)));
  CHECK_FALSE(with(Tables::pointer(0x7000)));
  CHECK_FALSE(with(Tables::page(0x7000, leaf) | 1ull << 54));
  CHECK_FALSE(with(Tables::page(0x7000, leaf) | 3ull << 61));
  CHECK(with(Tables::page(0x7000, leaf) | 1ull << 61)); // Svpbmt: not cacheable
  CHECK_FALSE(with(Tables::page(0x7000, leaf) | 1ull << 63));
  auto napot = with(Tables::page(0x28000, leaf) | 1ull << 63); // Svnapot: 64 KiB at 0x20000
  REQUIRE(napot);
  CHECK((*napot).physical.value == 0x21abc);
  CHECK((*napot).page_size == 0x10000);
  t.put(0x2000, Tables::pointer(0x3000) | a);
  CHECK_FALSE(t.walk(3, 0x1abc));
  t.put(0x2000, Tables::pointer(0x100000000));
  CHECK(t.walk(3, 0x1abc).error().what.find("not in memory") != std::string::npos);
}

TEST_CASE("riscv64: bare, reserved modes, named roots and the snapshot") {
  Tables t;
  auto bare = riscv64::walk(0, t.memory, 0x123456789);
  REQUIRE(bare);
  CHECK((*bare).physical.value == 0x123456789);
  CHECK((*bare).page_size == 0);
  CHECK_FALSE(riscv64::walk(5ull << 60, t.memory, 0));
  Rig rig;
  rig.put<std::uint64_t>(0x8000, {Tables::page(0x40000000, leaf)});
  const Address named{0x1234, {Space::Kind::root, 0x8000}};
  auto found = rig.cpu().translate(named);
  REQUIRE(found);
  CHECK((*found).physical.value == 0x40001234);
  auto whole = rig.cpu().translate(Address{0x1234, {Space::Kind::root, 9ull << 60 | 8}});
  CHECK_FALSE(whole); // as Sv48, whose root entry is a leaf of 512 GiB that is not aligned
  auto tables = rig.cpu().page_tables();
  REQUIRE(tables);
  CHECK((*tables)->translate(named));
  CHECK((*tables)->translate(Address{0x77}));
  rig.kernel.csr(rig.fd(), Csr::satp) = 8ull << 60 | 8;
  rig.cpu().exited();
  CHECK_FALSE(rig.cpu().registers_at_hand());
  auto root = rig.cpu().root();
  REQUIRE(root);
  CHECK(*root == 0x8000);
  CHECK(rig.pc() == Rig::entry);
  REQUIRE(rig.cpu().translate(Address{0}));
  CHECK(rig.cpu().registers_at_hand());
  CHECK(rig.cpu().describe() == "supervisor mode, Sv39");
}

TEST_CASE("riscv64: a hart that was never started waits") {
  Rig rig(2);
  rig.kernel.vcpu(rig.fd(1)).mp_state = KVM_MP_STATE_STOPPED;
  auto waits = rig.cpu(1).waits_for_ever();
  REQUIRE(waits);
  CHECK(*waits);
  CHECK(rig.cpu(1).describe() == "supervisor mode, bare, stopped");
  auto runs = rig.cpu(0).waiting();
  REQUIRE(runs);
  CHECK_FALSE(*runs);
}
