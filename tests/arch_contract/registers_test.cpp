// The x86-64 register table, and every register written and read back through KVM's structures.
#include "kvm/arch/x86_64/registers.hpp"
#include "tests/arch_contract/x86_rig.hpp"

#include <cerrno>
#include <map>
#include <set>

using namespace kdbg;
using namespace kdbg::kvm;
using kdbg::test::X86Rig;
using x86::CodeMode;

namespace {

const ArchInfo& info() {
  return x86_64().info();
}

Bytes pattern(std::size_t count) {
  Bytes out(count);
  for (std::size_t i = 0; i < count; ++i)
    out[i] = static_cast<std::byte>(0x91 + 7 * i);
  return out;
}

/// Bits of a register that KVM's structures have room for.
std::uint64_t stored_bits(const RegisterInfo& reg) {
  static const std::map<std::string_view, std::uint64_t> masks{
      {"eflags", 0xfffeffff}, {"fctrl", 0xffff},    {"fstat", 0xffff},     {"ftag", 0},
      {"fiseg", 0xffff},      {"foseg", 0xffff},    {"fop", 0xffff},       {"cs_attr", 0x1f0ff},
      {"ss_attr", 0x1f0ff},   {"ds_attr", 0x1f0ff}, {"es_attr", 0x1f0ff},  {"fs_attr", 0x1f0ff},
      {"gs_attr", 0x1f0ff},   {"tr_attr", 0x1f0ff}, {"ldtr_attr", 0x1f0ff}};
  const auto found = masks.find(reg.name);
  return found == masks.end() ? ~std::uint64_t{0} : found->second;
}

bool is_selector(std::string_view name) {
  return std::set<std::string_view>{"cs", "ss", "ds", "es", "fs", "gs"}.contains(name);
}

} // namespace

TEST_CASE("the x86-64 table: names are unique, widths whole bytes, the g packet is a prefix") {
  std::set<std::string_view> names;
  bool in_g = true;
  for (const RegisterInfo& reg : info().registers) {
    INFO(reg.name);
    CHECK(names.insert(reg.name).second);
    CHECK(reg.bits % 8 == 0);
    CHECK(reg.bits > 0);
    CHECK_FALSE(reg.type.empty());
    if (reg.in_g) CHECK(in_g);
    in_g = reg.in_g;
  }
  CHECK_FALSE(in_g);
}

TEST_CASE("the x86-64 table: every feature's registers stand together") {
  std::set<std::string_view> seen;
  std::string_view present;
  for (const RegisterInfo& reg : info().registers) {
    INFO(reg.name);
    if (reg.feature == present) continue;
    CHECK(seen.insert(reg.feature).second);
    present = reg.feature;
  }
  CHECK(seen.contains("org.gnu.gdb.i386.core"));
  CHECK(seen.contains("org.gnu.gdb.i386.sse"));
}

TEST_CASE("the x86-64 table starts with QEMU's names in QEMU's order") {
  std::vector<std::string> wanted{"rax", "rbx", "rcx", "rdx",     "rsi",     "rdi",       "rbp",
                                  "rsp", "r8",  "r9",  "r10",     "r11",     "r12",       "r13",
                                  "r14", "r15", "rip", "eflags",  "cs",      "ss",        "ds",
                                  "es",  "fs",  "gs",  "fs_base", "gs_base", "k_gs_base", "cr0",
                                  "cr2", "cr3", "cr4", "cr8",     "efer"};
  for (int i = 0; i < 8; ++i)
    wanted.push_back("st" + std::to_string(i));
  for (const char* name : {"fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"})
    wanted.emplace_back(name);
  for (int i = 0; i < 16; ++i)
    wanted.push_back("xmm" + std::to_string(i));
  wanted.emplace_back("mxcsr");
  for (std::size_t i = 0; i < wanted.size(); ++i)
    CHECK(info().registers[i].name == wanted[i]);
}

TEST_CASE("the x86-64 table: flags types exist, their fields fit and do not overlap") {
  std::map<std::string_view, const FlagsInfo*> types;
  for (const FlagsInfo& type : info().flags) {
    INFO(type.name);
    CHECK(types.emplace(type.name, &type).second);
    std::uint64_t used = 0;
    std::set<std::string_view> names;
    for (const FieldInfo& field : type.fields) {
      INFO(field.name);
      REQUIRE(field.first <= field.last);
      REQUIRE(field.last < type.bytes * 8);
      if (!field.name.empty()) CHECK(names.insert(field.name).second);
      for (unsigned bit = field.first; bit <= field.last; ++bit) {
        CHECK((used >> bit & 1) == 0);
        used |= std::uint64_t{1} << bit;
      }
    }
  }
  std::set<std::string_view> used_types;
  for (const RegisterInfo& reg : info().registers) {
    if (reg.type.substr(0, 4) != "x86_") continue;
    INFO(reg.name);
    used_types.insert(reg.type);
    REQUIRE(types.contains(reg.type));
    CHECK(types[reg.type]->bytes * 8 == reg.bits);
    CHECK(types[reg.type]->feature == reg.feature);
  }
  CHECK(used_types.size() == types.size());
}

TEST_CASE("the x86-64 table: the four roles are where ArchInfo says") {
  const std::pair<RegisterId, const char*> roles[] = {{info().pc, "rip"},
                                                      {info().sp, "rsp"},
                                                      {info().fp, "rbp"},
                                                      {info().flags_register, "eflags"}};
  for (const auto& [id, name] : roles)
    CHECK(info().registers[index(id)].name == name);
  std::map<std::string_view, std::string_view> found;
  for (const RegisterInfo& reg : info().registers) {
    if (!reg.role.empty()) CHECK(found.emplace(reg.role, reg.name).second);
  }
  CHECK(found == std::map<std::string_view, std::string_view>{
                     {"pc", "rip"}, {"sp", "rsp"}, {"fp", "rbp"}, {"flags", "eflags"}});
}

TEST_CASE("every register reads back as written, through the kernel, and disturbs no other") {
  for (std::size_t i = 0; i < info().registers.size(); ++i) {
    const RegisterInfo& reg = info().registers[i];
    if (reg.name == "ftag") continue; // see below
    INFO(reg.name);
    X86Rig rig;
    if (is_selector(reg.name)) rig.mode(CodeMode::bits16);
    const std::vector<Bytes> before = rig.everything();
    Bytes value = pattern(reg.bits / 8u);
    std::uint64_t low = 0;
    const std::size_t low_bytes = std::min(value.size(), sizeof low);
    std::memcpy(&low, value.data(), low_bytes);
    low &= is_selector(reg.name) ? 0xffff : stored_bits(reg);
    if (reg.name == "eflags") low |= 2;
    std::memcpy(value.data(), &low, low_bytes);
    const RegisterId id{static_cast<std::uint16_t>(i)};
    REQUIRE(rig.cpu->write(id, value));
    CHECK(*rig.cpu->read(id) == value);
    REQUIRE(rig.cpu->arm({})); // pending writes are handed over
    rig.cpu->exited();
    const std::vector<Bytes> after = rig.everything();
    CHECK(after[i] == value);
    for (std::size_t other = 0; other < after.size(); ++other) {
      const std::string_view name = info().registers[other].name;
      const bool follows =
          name == "ftag" || (is_selector(reg.name) && name.substr(0, 2) == reg.name);
      if (other == i || follows) continue;
      INFO(name);
      CHECK(after[other] == before[other]);
    }
  }
}

TEST_CASE("a register write of another width is refused and asks nothing of KVM") {
  X86Rig rig;
  for (std::size_t i = 0; i < info().registers.size(); ++i) {
    const RegisterInfo& reg = info().registers[i];
    INFO(reg.name);
    const std::size_t width = reg.bits / 8u;
    for (const std::size_t bytes : {std::size_t{0}, width - 1, width + 1}) {
      auto written = rig.cpu->write(RegisterId{static_cast<std::uint16_t>(i)}, Bytes(bytes));
      REQUIRE_FALSE(written);
      CHECK(written.error().code == Code::bad_request);
      CHECK(written.error().what.find(reg.name) == 0);
    }
  }
  CHECK(rig.kernel.log.empty());
}

TEST_CASE("registers land in KVM's own fields") {
  X86Rig rig;
  rig.facts.rearm_step = false;
  REQUIRE(rig.write("r11", 0x1122334455667788));
  REQUIRE(rig.write("gs_base", 0xffff800000000000));
  REQUIRE(rig.write("cr4", 0x20));
  REQUIRE(rig.write("idtr_limit", 0xfff));
  REQUIRE(rig.write("dr7", 0x455));
  REQUIRE(rig.write("lstar", 0xffffffff81000000));
  REQUIRE(rig.write("k_gs_base", 7));
  CHECK(rig.regs().r11 == 0); // general registers wait for the next entry
  REQUIRE(rig.cpu->arm({}));
  CHECK(rig.regs().r11 == 0x1122334455667788);
  CHECK(rig.sregs().gs.base == 0xffff800000000000);
  CHECK(rig.sregs().cr4 == 0x20);
  CHECK(rig.sregs().idt.limit == 0xfff);
  CHECK(rig.kernel.debugregs(rig.fd).dr7 == 0x455);
  CHECK(rig.kernel.msr(rig.fd, 0xc0000082) == 0xffffffff81000000);
  CHECK(rig.kernel.msr(rig.fd, 0xc0000102) == 7);
}

TEST_CASE("x87, SSE and AVX registers mark their state component in use") {
  const std::pair<const char*, unsigned> cases[] = {{"st0", 1},  {"fctrl", 1}, {"ftag", 1},
                                                    {"xmm3", 2}, {"mxcsr", 2}, {"ymm15h", 4}};
  for (const auto& [name, component] : cases) {
    INFO(name);
    X86Rig rig;
    const std::size_t bytes = info().registers[index(X86Rig::id(name))].bits / 8u;
    REQUIRE(rig.cpu->write(X86Rig::id(name), pattern(bytes)));
    CHECK(std::to_integer<unsigned>(rig.kernel.xsave(rig.fd)[512]) == component);
  }
}

TEST_CASE("registers of the last exit come from the shared page when KVM syncs them") {
  HostFacts facts = kdbg::test::all_works();
  facts.sync_registers = true;
  X86Rig rig(facts);
  x86::SyncRegs shared{};
  shared.regs.rip = 0x4321;
  shared.regs.rflags = 2;
  shared.sregs.cr3 = 0x7000;
  shared.sregs.efer = x86::efer_lma;
  shared.sregs.cs.l = 1;
  std::memcpy(&rig.kernel.page(rig.fd).s, &shared, sizeof shared);
  rig.cpu->exited();
  CHECK(rig.read("rip") == 0x4321);
  CHECK(rig.read("cr3") == 0x7000);
  CHECK(rig.kernel.log.empty());
}

TEST_CASE("eflags hides the resume flag, and a new pc or new flags clear it") {
  const auto after = [](auto&& change) {
    X86Rig rig;
    rig.regs().rflags = x86::flag_rf | x86::flag_if | 2;
    rig.cpu->exited();
    CHECK(rig.read("eflags") == (x86::flag_if | 2));
    change(rig);
    REQUIRE(rig.cpu->arm({}));
    return rig.regs().rflags;
  };
  CHECK(after([](X86Rig& rig) { REQUIRE(rig.write("rip", 0x1234)); }) == (x86::flag_if | 2));
  CHECK(after([](X86Rig& rig) { REQUIRE(rig.write("eflags", x86::flag_rf)); }) == 2);
  CHECK(after([](X86Rig& rig) { REQUIRE(rig.write("rax", 1)); }) ==
        (x86::flag_rf | x86::flag_if | 2));
}

TEST_CASE("eflags shows the guest's own trap flag, never ours") {
  X86Rig rig;
  REQUIRE(rig.cpu->arm({.step = true}));
  rig.regs().rflags |= x86::flag_tf; // ours, should KVM let it show
  rig.cpu->exited();
  CHECK((rig.read("eflags") & x86::flag_tf) == 0);
  REQUIRE(rig.write("eflags", x86::flag_tf | 2));
  CHECK((rig.read("eflags") & x86::flag_tf) != 0);
  REQUIRE(rig.cpu->arm({.step = true}));
  CHECK((rig.regs().rflags & x86::flag_tf) == 0); // it is kept aside while we step
  REQUIRE(rig.cpu->arm({}));
  CHECK((rig.regs().rflags & x86::flag_tf) != 0);
}

TEST_CASE("ftag is FSAVE's full tag word over FXSAVE's abridged one") {
  for (unsigned top = 0; top < 8; ++top) {
    X86Rig rig;
    x86::Xsave& area = rig.kernel.xsave(rig.fd);
    area[3] = static_cast<std::byte>(top << 3);
    struct Value {
      std::uint64_t mantissa;
      std::uint16_t exponent;
      unsigned tag;
    };
    const Value values[] = {{0, 0, 1},                        // +0
                            {0x8000000000000000, 0x3fff, 0},  // 1.0
                            {0x8000000000000000, 0x7fff, 2},  // infinity
                            {1, 0, 2},                        // denormal
                            {1, 0x3fff, 2},                   // unnormal
                            {0, 0x8000, 1},                   // -0
                            {0xc000000000000000, 0xc000, 0},  // -3.0
                            {0xffffffffffffffff, 0x7ffe, 0}}; // the largest
    unsigned want = 0;
    for (unsigned i = 0; i < 8; ++i) {
      std::memcpy(area.data() + 32 + 16 * i, &values[i].mantissa, 8);
      std::memcpy(area.data() + 40 + 16 * i, &values[i].exponent, 2);
      const unsigned physical = (i + top) & 7;
      const bool empty = physical == 2;
      if (!empty) area[4] |= static_cast<std::byte>(1u << physical);
      const unsigned tag = empty ? 3 : values[i].tag;
      want |= tag << (2 * physical);
    }
    INFO("top " << top);
    CHECK(rig.read("ftag") == want);
    REQUIRE(rig.write("ftag", 0xffff));
    CHECK(area[4] == std::byte{0});
    CHECK(rig.read("ftag") == 0xffff);
    REQUIRE(rig.write("ftag", want));
    CHECK(area[4] == std::byte{0xfb});
    CHECK(rig.read("ftag") == want);
  }
}

TEST_CASE("what KVM refuses is an error with the value in it, and nothing has changed") {
  for (const char* name : {"cr4", "efer", "gs_base", "tr_limit", "idtr_base", "cs_attr"}) {
    INFO(name);
    X86Rig rig;
    const auto before = rig.everything();
    rig.kernel.refused[x86::set_sregs] = EINVAL;
    auto written = rig.write(name, 0x1234);
    REQUIRE_FALSE(written);
    CHECK(written.error().code == Code::kernel);
    CHECK(written.error().sys_errno == EINVAL);
    CHECK(written.error().what.find("KVM refuses " + std::string(name) + " = 0x1234") == 0);
    CHECK(rig.everything() == before);
  }
  X86Rig rig;
  const auto before = rig.everything();
  rig.kernel.refused[x86::set_debugregs] = rig.kernel.refused[x86::set_xsave] = EINVAL;
  CHECK_FALSE(rig.write("dr7", 0x455));
  CHECK_FALSE(rig.write("mxcsr", 0xffffffff));
  CHECK_FALSE(rig.write("ftag", 0));
  CHECK(rig.everything() == before);
}

TEST_CASE("an MSR that this CPU lacks says so") {
  X86Rig rig;
  rig.kernel.unknown_msrs = {0xc0000103};
  auto value = rig.cpu->read(X86Rig::id("tsc_aux"));
  REQUIRE_FALSE(value);
  CHECK(value.error().code == Code::unsupported);
  CHECK(value.error().what == "this CPU has no MSR 0xc0000103");
  auto written = rig.write("tsc_aux", 5);
  REQUIRE_FALSE(written);
  CHECK(written.error().code == Code::bad_request);
  CHECK(written.error().what == "KVM refuses 0x5 for MSR 0xc0000103");
}

TEST_CASE("pc is linear: the code segment's base is added outside 64-bit mode") {
  X86Rig rig;
  CHECK(rig.cpu->pc()->value == 0x1000);
  rig.mode(CodeMode::bits16);
  CHECK(rig.cpu->pc()->value == 0x3000);
  rig.mode(CodeMode::bits32);
  rig.sregs().cs.base = 0xfffff000;
  rig.cpu->exited();
  CHECK(rig.cpu->pc()->value == 0); // wraps at 4 GiB
}

TEST_CASE("a vCPU describes its mode") {
  X86Rig rig;
  CHECK(rig.cpu->describe() == "long mode, ring 0");
  rig.sregs().cr4 = x86::cr4_la57;
  rig.sregs().ss.dpl = 3;
  rig.cpu->exited();
  CHECK(rig.cpu->describe() == "long mode, 5-level paging, ring 3");
  rig.sregs().ss.dpl = 0;
  rig.mode(CodeMode::bits32);
  CHECK(rig.cpu->describe() == "32-bit protected mode, no paging, ring 0");
  rig.sregs().cr0 |= x86::cr0_pg;
  rig.sregs().cr4 = x86::cr4_pae;
  rig.kernel.mp_state(rig.fd) = KVM_MP_STATE_HALTED;
  rig.cpu->exited();
  CHECK(rig.cpu->describe() == "32-bit protected mode, PAE paging, ring 0, halted");
  CHECK(*rig.cpu->waiting());
  rig.mode(CodeMode::bits16);
  rig.kernel.mp_state(rig.fd) = KVM_MP_STATE_INIT_RECEIVED;
  CHECK(rig.cpu->describe() == "real mode, waiting for start-up");
}
