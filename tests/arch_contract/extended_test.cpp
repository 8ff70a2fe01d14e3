// Registers that only some CPUs have: AVX-512's and PKRU.
#include "kvm/arch/x86_64/probe.hpp"
#include "tests/arch_contract/x86_rig.hpp"

using namespace kdbg;
using namespace kdbg::kvm;
using kdbg::test::X86Rig;

namespace {

// As CPUID 0xD says on today's processors: Intel's and AMD's offsets differ.
constexpr XsaveLayout both{
    .bytes = 4096, .opmask = 1088, .zmm_high = 1152, .zmm_upper = 1664, .pkru = 2688};
constexpr XsaveLayout only_avx512{
    .bytes = 4096, .opmask = 832, .zmm_high = 896, .zmm_upper = 1408, .pkru = 0};
constexpr XsaveLayout only_pkru{
    .bytes = 4096, .opmask = 0, .zmm_high = 0, .zmm_upper = 0, .pkru = 2688};

HostFacts with(const XsaveLayout& layout) {
  HostFacts facts = kdbg::test::all_works();
  facts.xsave = layout;
  return facts;
}

RegisterId find(const ArchInfo& info, std::string_view name) {
  for (std::size_t i = 0; i < info.registers.size(); ++i) {
    if (info.registers[i].name == name) return RegisterId{static_cast<std::uint16_t>(i)};
  }
  FAIL("no register " << name);
  return {};
}

bool has(const ArchInfo& info, std::string_view name) {
  return std::any_of(info.registers.begin(), info.registers.end(),
                     [&](const RegisterInfo& reg) { return reg.name == name; });
}

Bytes pattern(std::size_t count, unsigned seed) {
  Bytes out(count);
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = static_cast<std::byte>(seed + 11 * i + 1);
  }
  return out;
}

} // namespace

TEST_CASE("the table has what the CPU has, and is otherwise the same for all") {
  const ArchInfo& base = x86_64().info();
  struct Case {
    XsaveLayout layout;
    std::size_t more;
  };
  for (const auto& [layout, more] : {Case{{}, 0}, {only_pkru, 1}, {only_avx512, 72}, {both, 73}}) {
    const ArchInfo& info = x86_64(with(layout)).info();
    REQUIRE(info.registers.size() == base.registers.size() + more);
    for (std::size_t i = 0; i < base.registers.size(); ++i) {
      CHECK(info.registers[i].name == base.registers[i].name);
      CHECK(info.registers[i].in_g == base.registers[i].in_g);
    }
    for (std::size_t i = base.registers.size(); i < info.registers.size(); ++i) {
      CHECK_FALSE(info.registers[i].in_g); // no stop pays for them
    }
    CHECK(has(info, "k0") == layout.avx512());
    CHECK(has(info, "zmm31h") == layout.avx512());
    CHECK(has(info, "pkru") == (layout.pkru != 0));
  }
  CHECK(&x86_64(with({})) == &x86_64());
}

TEST_CASE("AVX-512's registers have gdb's names, widths and order") {
  const auto table = x86_64(with(both)).info().registers.subspan(x86_64().info().registers.size());
  const auto run = [&](std::size_t at, std::string_view name, unsigned bits,
                       std::string_view type) {
    INFO(name);
    CHECK(table[at].name == name);
    CHECK(table[at].bits == bits);
    CHECK(table[at].type == type);
    CHECK(table[at].feature == "org.gnu.gdb.i386.avx512");
  };
  run(0, "k0", 64, "uint64");
  run(7, "k7", 64, "uint64");
  run(8, "zmm0h", 256, "v2ui128");
  run(23, "zmm15h", 256, "v2ui128");
  run(24, "xmm16", 128, "vec128");
  run(39, "xmm31", 128, "vec128");
  run(40, "ymm16h", 128, "uint128");
  run(55, "ymm31h", 128, "uint128");
  run(56, "zmm16h", 256, "v2ui128");
  run(71, "zmm31h", 256, "v2ui128");
  CHECK(table[72].name == "pkru");
  CHECK(table[72].bits == 32);
  CHECK(table[72].feature == "org.gnu.gdb.i386.pkeys");
}

TEST_CASE("each lands where CPUID says, alone, and marks its component in use") {
  struct Case {
    std::string_view name;
    std::size_t offset;
    unsigned component;
  };
  const auto cases = [](const XsaveLayout& l) {
    return std::vector<Case>{{"k0", l.opmask, 5},
                             {"k7", l.opmask + 56U, 5},
                             {"zmm0h", l.zmm_high, 6},
                             {"zmm15h", l.zmm_high + 480U, 6},
                             {"xmm16", l.zmm_upper, 7},
                             {"ymm16h", l.zmm_upper + 16U, 7},
                             {"zmm16h", l.zmm_upper + 32U, 7},
                             {"xmm31", l.zmm_upper + 960U, 7},
                             {"zmm31h", l.zmm_upper + 992U, 7},
                             {"pkru", l.pkru, 9}};
  };
  for (const XsaveLayout& layout : {both, only_avx512, only_pkru}) {
    const ArchInfo& info = x86_64(with(layout)).info();
    for (const Case& c : cases(layout)) {
      if (!has(info, c.name)) continue;
      INFO(c.name);
      X86Rig rig(with(layout));
      const RegisterId id = find(info, c.name);
      const std::size_t bytes = info.registers[index(id)].bits / 8U;
      const Bytes value = pattern(bytes, c.component);
      REQUIRE(rig.cpu->write(id, value));
      x86::Xsave want{};
      std::copy(value.begin(), value.end(), want.begin() + static_cast<std::ptrdiff_t>(c.offset));
      const std::uint64_t in_use = std::uint64_t{1} << c.component;
      std::memcpy(want.data() + 512, &in_use, sizeof in_use);
      CHECK(rig.kernel.xsave(rig.fd) == want);
      rig.cpu->exited();
      CHECK(*rig.cpu->read(id) == value);
    }
  }
}

TEST_CASE("a wrong width is refused, and a write that KVM refuses changes nothing") {
  X86Rig rig(with(both));
  const ArchInfo& info = x86_64(with(both)).info();
  auto narrow = rig.cpu->write(find(info, "zmm20h"), pattern(16, 0));
  REQUIRE_FALSE(narrow);
  CHECK(narrow.error().what == "zmm20h takes 32 bytes, not 16");
  rig.kernel.refused[x86::set_xsave] = EINVAL;
  CHECK_FALSE(rig.cpu->write(find(info, "k3"), pattern(8, 0)));
  CHECK(*rig.cpu->read(find(info, "k3")) == Bytes(8));
}

TEST_CASE("an area of more than 4096 bytes moves whole") {
  XsaveLayout layout = both;
  layout.bytes = 11008; // with AMX
  X86Rig rig(with(layout));
  const ArchInfo& info = x86_64(with(layout)).info();
  rig.kernel.xsave_tail(rig.fd) = pattern(layout.bytes - 4096, 3);
  REQUIRE(rig.cpu->write(find(info, "k1"), pattern(8, 1)));
  CHECK(rig.kernel.xsave_tail(rig.fd) == pattern(layout.bytes - 4096, 3));
  CHECK(rig.asked(x86::get_xsave2) == 1);
  CHECK(rig.asked(x86::get_xsave) == 0);
  rig.cpu->exited();
  CHECK(*rig.cpu->read(find(info, "k1")) == pattern(8, 1));
}

TEST_CASE("the layout is read from the CPUID that guests get") {
  x86::Cpuid cpuid;
  auto add = [&, n = 0U](std::uint32_t function, std::uint32_t index, std::uint32_t eax,
                         std::uint32_t ebx) mutable {
    cpuid.entries[n++] = {function, index, 0, eax, ebx, 0, 0, {}};
    cpuid.count = n;
  };
  add(7, 0, 0, 1U << 16);
  add(0xd, 0, 0x2e7, 0);
  add(0xd, 2, 256, 576);
  add(0xd, 5, 64, 1088);
  add(0xd, 6, 512, 1152);
  add(0xd, 7, 1024, 1664);
  add(0xd, 9, 8, 2688);
  const XsaveLayout found = x86::read_xsave_layout(cpuid, 0);
  CHECK(found.bytes == 4096);
  CHECK(found.opmask == 1088);
  CHECK(found.zmm_high == 1152);
  CHECK(found.zmm_upper == 1664);
  CHECK(found.pkru == 2688);
  CHECK(found.avx512());
  CHECK(x86::read_xsave_layout(cpuid, 11008).bytes == 11008);

  cpuid.entries[1].eax = 0x207; // components that XCR0 cannot have
  CHECK_FALSE(x86::read_xsave_layout(cpuid, 0).avx512());
  CHECK(x86::read_xsave_layout(cpuid, 0).pkru == 2688);
  cpuid.entries[6].ebx = 4094; // beyond the area
  CHECK(x86::read_xsave_layout(cpuid, 0).pkru == 0);
  cpuid.entries[1].eax = 0x2e7;
  cpuid.entries[5].eax = 512; // too small for what should be in it
  CHECK_FALSE(x86::read_xsave_layout(cpuid, 0).avx512());
  cpuid.count = 0;
  CHECK_FALSE(x86::read_xsave_layout(cpuid, 0).avx512());
  cpuid.count = 100000; // more than there is room for
  CHECK_FALSE(x86::read_xsave_layout(x86::Cpuid{100000, 0, {}}, 0).avx512());
}
