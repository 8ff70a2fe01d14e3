// Writing a selector loads what it selects, and is refused where the CPU would refuse it.
#include "tests/arch_contract/x86_rig.hpp"

using namespace kdbg;
using namespace kdbg::kvm;
using kdbg::test::X86Rig;
using x86::CodeMode;

namespace {

constexpr std::uint64_t gdt_at = 0x4000, ldt_at = 0x5000;

/// SDM vol. 3, figure 3-8.
std::uint64_t
descriptor(std::uint64_t base, std::uint64_t limit, std::uint64_t access, std::uint64_t flags) {
  return (limit & 0xffff) | (base & 0xffffff) << 16 | access << 40 | (limit >> 16 & 0xf) << 48 |
         flags << 52 | (base >> 24 & 0xff) << 56;
}

/// 32-bit protected mode with a GDT of one of each kind.
struct Protected : X86Rig {
  Protected() {
    mode(CodeMode::bits32);
    const std::uint64_t table[] = {
        descriptor(1, 1, 0x93, 0xc),                // 00: index 0 is never used
        descriptor(0x12345678, 0xabcde, 0x9a, 0xc), // 08: code, readable, 4 KiB units
        descriptor(0x00a01000, 0x0ffff, 0x92, 0x4), // 10: data, writable, bytes
        descriptor(0, 0xfffff, 0x12, 0xc),          // 18: not present
        descriptor(0, 0x67, 0x89, 0),               // 20: TSS
        descriptor(0, 0xfffff, 0x98, 0xc),          // 28: code, execute-only
        descriptor(0, 0xfffff, 0x90, 0xc),          // 30: data, read-only
        descriptor(0x7000, 0xfff, 0xf2, 0xd),       // 38: data, ring 3, AVL
    };
    for (std::size_t i = 0; i < std::size(table); ++i)
      put(gdt_at + 8 * i, table[i]);
    put(ldt_at + 8, descriptor(0x9000, 0xff, 0x92, 0x4));
    sregs().gdt.base = gdt_at;
    sregs().gdt.limit = sizeof table - 1;
    sregs().ldt.unusable = 1;
    cpu->exited();
  }
};

} // namespace

TEST_CASE("a selector loads its descriptor from the GDT in guest memory") {
  Protected rig;
  REQUIRE(rig.write("cs", 0x08));
  CHECK(rig.read("cs") == 0x08);
  CHECK(rig.read("cs_base") == 0x12345678);
  CHECK(rig.read("cs_limit") == 0xabcdefff); // 4 KiB units
  CHECK(rig.read("cs_attr") == 0xc09b);      // and accessed, as the CPU would mark it
  REQUIRE(rig.write("ds", 0x10));
  CHECK(rig.read("ds_base") == 0x00a01000);
  CHECK(rig.read("ds_limit") == 0x0ffff);
  CHECK(rig.read("ds_attr") == 0x4093);
  REQUIRE(rig.write("es", 0x08)); // readable code is fine in a data segment register
  REQUIRE(rig.write("fs", 0x3b));
  CHECK(rig.read("fs") == 0x3b);
  CHECK(rig.read("fs_attr") == 0xd0f3);
  CHECK(rig.read("fs_base") == 0x7000);
  REQUIRE(rig.write("ss", 0x10));
  CHECK(rig.sregs().ss.base == 0x00a01000);
  REQUIRE(rig.write("gs", 0x10));
  REQUIRE(rig.write("gs", 0));
  CHECK(rig.read("gs_attr") == 0x10000); // unusable
  REQUIRE(rig.write("gs", 3));           // null whatever its RPL
  CHECK(rig.read("gs") == 3);
}

TEST_CASE("a selector that the CPU would refuse is refused with the reason, and nothing changes") {
  const struct {
    const char* name;
    unsigned selector;
    const char* why;
  } cases[] = {{"cs", 0x00, "null selector"},
               {"cs", 0x03, "null selector"},
               {"ss", 0x00, "null selector"},
               {"ds", 0x40, "beyond the GDT limit 0x3f"},
               {"ds", 0xfff8, "beyond the GDT limit"},
               {"ds", 0x18, "not present"},
               {"cs", 0x20, "system descriptor"},
               {"ds", 0x20, "system descriptor"},
               {"cs", 0x10, "names a data segment"},
               {"ss", 0x08, "no writable data segment"},
               {"ss", 0x30, "no writable data segment"},
               {"ds", 0x28, "execute-only"},
               {"ds", 0x0c, "no LDT"},
               {"ds", 0x10000, "over 16 bits"}};
  for (const auto& each : cases) {
    INFO(each.name << " = " << each.selector);
    Protected rig;
    const auto before = rig.everything();
    auto written = rig.write(each.name, each.selector);
    if (each.selector == 0) { // it is 0 already: load another first
      REQUIRE(rig.write(each.name, std::string_view(each.name) == "cs" ? 0x08 : 0x10));
      written = rig.write(each.name, 0);
      REQUIRE_FALSE(written);
      CHECK(written.error().what.find(each.why) != std::string::npos);
      continue;
    }
    REQUIRE_FALSE(written);
    CHECK(written.error().code == Code::bad_request);
    CHECK(written.error().what.find(each.why) != std::string::npos);
    CHECK(rig.everything() == before);
    CHECK(rig.asked(x86::set_sregs) == 0);
  }
}

TEST_CASE("a selector of the LDT, and a GDT that is not in memory") {
  Protected rig;
  rig.sregs().ldt = {};
  rig.sregs().ldt.base = ldt_at;
  rig.sregs().ldt.limit = 0xf;
  rig.cpu->exited();
  REQUIRE(rig.write("ds", 0x0c));
  CHECK(rig.read("ds_base") == 0x9000);
  auto beyond = rig.write("ds", 0x14);
  REQUIRE_FALSE(beyond);
  CHECK(beyond.error().what.find("beyond the LDT limit 0xf") != std::string::npos);
  REQUIRE(rig.write("gdtr_base", 0x20000));
  auto unreadable = rig.write("ds", 0x10);
  REQUIRE_FALSE(unreadable);
  CHECK(unreadable.error().what.find("0x20010 is not readable") != std::string::npos);
}

TEST_CASE("in 64-bit mode the stack segment may be null, but not in ring 3") {
  Protected rig;
  rig.mode(CodeMode::bits64);
  REQUIRE(rig.write("ss", 0x10));
  CHECK(rig.write("ss", 0));
  rig.sregs().cs.dpl = 3;
  rig.cpu->exited();
  REQUIRE(rig.write("ss", 0x3b));
  CHECK_FALSE(rig.write("ss", 0));
}

TEST_CASE("in real mode and in virtual-8086 mode a selector is a base") {
  X86Rig rig;
  rig.mode(CodeMode::bits16);
  rig.sregs().ds.limit = 0xffff;
  rig.cpu->exited();
  REQUIRE(rig.write("ds", 0xb800));
  CHECK(rig.read("ds") == 0xb800);
  CHECK(rig.read("ds_base") == 0xb8000);
  CHECK(rig.read("ds_limit") == 0xffff);
  REQUIRE(rig.write("es", 0));
  CHECK(rig.read("es_base") == 0);
  Protected vm86;
  vm86.regs().rflags |= x86::flag_vm;
  vm86.cpu->exited();
  REQUIRE(vm86.write("es", 0x1234));
  CHECK(vm86.read("es_base") == 0x12340);
}
