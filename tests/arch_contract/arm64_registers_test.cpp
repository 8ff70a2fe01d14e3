// The arm64 register table, and where its values are in KVM.
#include "tests/arch_contract/arm64_rig.hpp"

#include <cerrno>
#include <set>

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::test;

namespace {

HostFacts with_sve(std::uint16_t bytes) {
  HostFacts facts = arm64_works();
  facts.sve = true;
  facts.sve_bytes = bytes;
  return facts;
}

} // namespace

TEST_CASE("arm64 table: gdb's numbers, names used once, flags types that exist") {
  const Arm64Rig rig;
  const ArchInfo& info = rig.arch->info();
  CHECK(info.elf_machine == 183);
  CHECK(index(rig.id("x0")) == 0);
  CHECK(index(rig.id("sp")) == 31);
  CHECK(index(rig.id("pc")) == 32);
  CHECK(index(rig.id("cpsr")) == 33);
  CHECK(index(rig.id("v0")) == 34);
  CHECK(index(rig.id("fpsr")) == 66);
  CHECK(index(rig.id("fpcr")) == 67);
  CHECK(info.registers[index(rig.id("x30"))].dwarf == 30);
  CHECK(info.registers[index(rig.id("v31"))].dwarf == 95);
  CHECK(index(info.pc) == 32);
  std::set<std::string_view> names, types;
  for (const FlagsInfo& each : info.flags)
    types.insert(each.name);
  bool in_g = true;
  for (const RegisterInfo& each : info.registers) {
    CHECK(names.insert(each.name).second);
    CHECK((in_g || !each.in_g)); // a prefix
    in_g = each.in_g;
    if (each.type.starts_with("aarch64_") || each.type == "cpsr_flags") {
      CHECK(types.contains(each.type));
    }
  }
}

TEST_CASE("arm64 registers: every one is read from its own place, and written to it") {
  Arm64Rig rig;
  const auto table = rig.arch->info().registers;
  std::set<std::uint64_t> places;
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].name.ends_with("_el2")) continue;
    INFO(table[i].name);
    const RegisterId id{static_cast<std::uint16_t>(i)};
    rig.kernel.written.clear();
    Bytes value(table[i].bits / 8u);
    value[0] = std::byte{5}; // for cpsr a mode that exists
    value[1] = static_cast<std::byte>(i);
    REQUIRE(rig.cpu->write(id, value));
    REQUIRE(rig.kernel.written.size() == 1);
    const bool current = table[i].name == "sp"; // sp_el1, in the table a second time
    CHECK((current || places.insert(rig.kernel.written[0]).second));
    rig.cpu->exited();
    auto back = rig.cpu->read(id);
    REQUIRE(back);
    CHECK(*back == value);
  }
  CHECK(rig.cpu->write(rig.id("x0"), Bytes(4)).error().code == Code::bad_request);
}

TEST_CASE("arm64 registers: what was read once costs no second ioctl until the vCPU has run") {
  Arm64Rig rig;
  rig.set(reg::x(7), 0x1122334455667788);
  CHECK(rig.read("x7") == 0x1122334455667788);
  CHECK(rig.read("x7") == 0x1122334455667788);
  CHECK(rig.cpu->at_hand(rig.id("x7")));
  CHECK(rig.kernel.read == std::vector<std::uint64_t>{reg::x(7)});
  CHECK_FALSE(rig.cpu->at_hand(rig.id("cpsr")));
  CHECK(rig.read("cpsr") == 5);
  CHECK(rig.cpu->at_hand(rig.id("cpsr")));
  CHECK_FALSE(rig.cpu->at_hand(rig.id("sp"))); // which of three it is costs a look
  rig.set(reg::x(7), 1);
  rig.cpu->exited();
  CHECK_FALSE(rig.cpu->at_hand(rig.id("x7")));
  CHECK(rig.read("x7") == 1);
  REQUIRE(rig.write("x7", 9));
  CHECK(rig.get(reg::x(7)) == 9);
  CHECK(rig.read("x7") == 9);
}

TEST_CASE("arm64 registers: sp is that of the present level and selection") {
  Arm64Rig rig;
  rig.kernel.give_el2(rig.fd);
  rig.set(reg::sp_el0, 0x100);
  rig.set(reg::sp_el1, 0x101);
  rig.set(reg::sp_el2, 0x102);
  rig.set(reg::x(13), 0x113);
  const std::pair<std::uint64_t, std::uint64_t> cases[] = {{0, 0x100}, {4, 0x100}, {5, 0x101},
                                                           {8, 0x100}, {9, 0x102}, {0x10, 0x113}};
  for (const auto& [state, value] : cases) {
    INFO("state " << state);
    rig.set(reg::pstate, state);
    rig.cpu->exited();
    CHECK(rig.read("sp") == value);
  }
  rig.set(reg::pstate, 4);
  rig.cpu->exited();
  REQUIRE(rig.write("sp", 0x222));
  CHECK(rig.get(reg::sp_el0) == 0x222);
}

TEST_CASE("arm64 registers: one that the vCPU has not is an error that names it") {
  Arm64Rig rig;
  auto missing = rig.cpu->read(rig.id("vttbr_el2"));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == Code::unsupported);
  CHECK(missing.error().what.find("0x603000000013e108") != std::string::npos);
}

TEST_CASE("75: the guest's debug registers and its OS lock are shown, and never written by us") {
  Arm64Rig rig;
  const std::uint64_t bvr3 = reg::sysreg(2, 0, 0, 3, 4), wcr2 = reg::sysreg(2, 0, 0, 2, 7),
                      oslsr = reg::sysreg(2, 0, 1, 1, 4);
  rig.set(bvr3, 0xffff000000001000);
  rig.set(wcr2, 0x1ff5);
  rig.set(oslsr, 0xa); // locked
  rig.set(reg::mdscr_el1, 0x8000);
  rig.kernel.put(Arm64Rig::entry, {a64::nop, a64::nop, a64::brk(1)});
  DebugPlan plan{.software = true};
  plan.slots[3] = Slot{Arm64Rig::entry + 4, 1, PointKind::hardware};
  plan.slots[arm64::first_watch + 2] = Slot{Arm64Rig::data, 8, PointKind::access};
  REQUIRE(rig.cpu->arm(plan));
  REQUIRE(rig.vcpu.run());
  rig.cpu->exited();
  CHECK(rig.decoded().slots == 8);
  rig.step();
  REQUIRE(rig.cpu->arm({}));
  for (const std::uint64_t id : rig.kernel.written) {
    CHECK((id == reg::pstate)); // for the step
  }
  CHECK(rig.read("dbgbvr3") == 0xffff000000001000);
  CHECK(rig.read("dbgwcr2") == 0x1ff5);
  CHECK(rig.read("oslsr_el1") == 0xa);
  CHECK(rig.read("mdscr_el1") == 0x8000);
}

TEST_CASE("76: with SVE the table has Z, P, FFR and VG at the vCPU's length, and no V") {
  Arm64Rig rig(with_sve(32));
  rig.kernel.give_sve(rig.fd, 32);
  const ArchInfo& info = rig.arch->info();
  CHECK(index(rig.id("z0")) == 34);
  CHECK(index(rig.id("fpsr")) == 66);
  CHECK(info.registers[34].bits == 256);
  CHECK(info.registers[34].feature == "org.gnu.gdb.aarch64.sve");
  CHECK(info.registers[index(rig.id("p0"))].bits == 32);
  for (const RegisterInfo& each : info.registers)
    CHECK(each.feature != "org.gnu.gdb.aarch64.fpu"); // gdb refuses both
  Bytes& held = rig.kernel.bytes(rig.fd, reg::z(5));
  for (std::size_t i = 0; i < held.size(); ++i)
    held[i] = static_cast<std::byte>(i);
  auto z5 = rig.cpu->read(rig.id("z5"));
  REQUIRE(z5);
  CHECK(*z5 == Bytes(held.begin(), held.begin() + 32));
  CHECK(rig.read("vg") == 4);
  CHECK(rig.write("vg", 2).error().code == Code::unsupported);
  REQUIRE(rig.write("z6", 0x1234));
  CHECK(rig.kernel.bytes(rig.fd, reg::z(6))[1] == std::byte{0x12});
  REQUIRE(rig.write("ffr", 0xffff));
  REQUIRE(rig.write("p15", 0x55));
  CHECK(rig.read("p15") == 0x55);
}

TEST_CASE("76: a vCPU whose V registers are gone shows them from Z") {
  Arm64Rig rig; // nobody said SVE
  rig.kernel.give_sve(rig.fd, 64);
  Bytes& held = rig.kernel.bytes(rig.fd, reg::z(3));
  for (std::size_t i = 0; i < held.size(); ++i)
    held[i] = static_cast<std::byte>(i + 1);
  auto v3 = rig.cpu->read(rig.id("v3"));
  REQUIRE(v3);
  CHECK(*v3 == Bytes(held.begin(), held.begin() + 16));
  REQUIRE(rig.write("v3", 0x99));
  CHECK(held[0] == std::byte{0x99});
  CHECK(held[16] == std::byte{0}); // as an instruction that writes V does
}

TEST_CASE("76: without SVE V registers are KVM's own") {
  Arm64Rig rig;
  rig.kernel.bytes(rig.fd, reg::v(31))[15] = std::byte{0x7f};
  auto v31 = rig.cpu->read(rig.id("v31"));
  REQUIRE(v31);
  CHECK((*v31).size() == 16);
  CHECK((*v31)[15] == std::byte{0x7f});
  REQUIRE(rig.write("fpcr", 0x1000000));
  CHECK(rig.get(reg::fpcr) == 0x1000000);
}

TEST_CASE("arm64 describes its mode, and software points need AArch64") {
  Arm64Rig rig;
  const std::pair<std::uint64_t, std::string> cases[] = {{5, "EL1h, AArch64, MMU off"},
                                                         {4, "EL1t, AArch64, MMU off"},
                                                         {0, "EL0, AArch64, MMU off"},
                                                         {0x10, "EL0, AArch32 (A32), MMU off"},
                                                         {0x30, "EL0, AArch32 (T32), MMU off"}};
  for (const auto& [state, words] : cases) {
    rig.set(reg::pstate, state);
    rig.cpu->exited();
    CHECK(rig.cpu->describe() == words);
    CHECK(*rig.cpu->software_points_blocked() == ((state & 0x10) != 0));
  }
  rig.set(reg::sctlr_el1, 1);
  rig.set(reg::pstate, 5);
  rig.cpu->exited();
  CHECK(rig.cpu->describe() == "EL1h, AArch64");
  rig.cpu->exited();
  rig.kernel.fail_nth(0, EIO);
  CHECK(rig.cpu->describe() == "injected failure");
}

TEST_CASE("arm64 translation: by the present registers, another root, physical, and a snapshot") {
  Arm64Rig rig;
  CHECK(*rig.cpu->root() == ~std::uint64_t{0});
  CHECK((*rig.cpu->translate(Address{0x1234})).physical.value == 0x1234);
  rig.set(reg::sctlr_el1, 1);
  rig.set(reg::tcr_el1, 34 | 34u << 16 | 2u << 30); // 30 bits, 4 KiB
  rig.set(reg::ttbr0_el1, 0x8000 | 0x7ull << 48);
  rig.set(reg::ttbr1_el1, 0xa000);
  rig.put(0x8000, std::uint64_t{0x9003});
  rig.put(0x9000, std::uint64_t{0x2000 | 0x403});
  rig.put(0xb000, std::uint64_t{0xc003});
  rig.put(0xc000, std::uint64_t{0x3000 | 0x403});
  rig.put(0xa000, std::uint64_t{0xd003});
  rig.put(0xd000, std::uint64_t{0x5000 | 0x403});
  rig.cpu->exited();
  CHECK(*rig.cpu->root() == (0x8000 | 0x7ull << 48));
  CHECK((*rig.cpu->translate(Address{0x10})).physical.value == 0x2010);
  CHECK((*rig.cpu->translate(Address{0xffffffffc0000010})).physical.value == 0x5010);
  CHECK((*rig.cpu->translate({0x10, {Space::Kind::root, 0xb000}})).physical.value == 0x3010);
  CHECK((*rig.cpu->translate({0xffffffffc0000010, {Space::Kind::root, 0xb000}})).physical.value ==
        0x5010); // the kernel's half is the same for all
  CHECK((*rig.cpu->translate({0x77, {Space::Kind::physical}})).physical.value == 0x77);
  auto tables = rig.cpu->page_tables();
  REQUIRE(tables);
  rig.set(reg::sctlr_el1, 0);
  rig.cpu->exited();
  CHECK((*(*tables)->translate(Address{0x10})).physical.value == 0x2010);
  CHECK((*(*tables)->translate({0x10, {Space::Kind::root, 0xb000}})).physical.value == 0x3010);
  CHECK((*(*tables)->translate(Address{0x10})).levels.size() == 2);
}

TEST_CASE("arm64 translation: at EL2 through EL2's tables, of one range or two") {
  Arm64Rig rig;
  rig.kernel.give_el2(rig.fd);
  rig.set(reg::pstate, 9);
  rig.set(reg::sctlr_el2, 1);
  rig.set(reg::ttbr0_el2, 0x8000);
  rig.set(reg::ttbr1_el2, 0xa000);
  rig.put(0x8000, std::uint64_t{0x40000401});
  rig.put(0xa000, std::uint64_t{0x80000401});
  rig.set(reg::tcr_el2, 25);
  CHECK((*rig.cpu->translate(Address{0x10})).physical.value == 0x40000010);
  CHECK_FALSE(rig.cpu->translate(Address{0xffffff8000000010}));
  rig.set(reg::hcr_el2, 1ull << 34); // E2H
  rig.set(reg::tcr_el2, 25 | 25u << 16 | 2u << 30);
  rig.cpu->exited();
  CHECK((*rig.cpu->translate(Address{0xffffff8000000010})).physical.value == 0x80000010);
  CHECK_FALSE(rig.cpu->registers_at_hand());
  rig.set(reg::pstate, 0); // a user without TGE is EL1's
  rig.cpu->exited();
  CHECK((*rig.cpu->translate(Address{0x10})).physical.value == 0x10);
}

TEST_CASE("arm64 registers are at hand when a stop has asked for them") {
  Arm64Rig rig;
  CHECK_FALSE(rig.cpu->registers_at_hand());
  REQUIRE(rig.cpu->pc());
  REQUIRE(rig.cpu->translate(Address{0x1000}));
  REQUIRE(rig.cpu->software_points_blocked());
  CHECK(rig.cpu->registers_at_hand());
  rig.kernel.log.clear();
  REQUIRE(rig.cpu->pc());
  REQUIRE(rig.cpu->root());
  REQUIRE(rig.cpu->page_tables());
  REQUIRE(rig.cpu->software_points_blocked());
  CHECK(rig.kernel.log.empty());
}
