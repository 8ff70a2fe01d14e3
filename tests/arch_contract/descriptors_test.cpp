// Descriptor tables in every mode, decoded as the manual's figures have them.
#include "tests/arch_contract/x86_rig.hpp"

using namespace kdbg;
using namespace kdbg::kvm;
using kdbg::test::X86Rig;
using x86::CodeMode;

namespace {

constexpr std::uint64_t table_at = 0x4000;

/// SDM vol. 3, figure 3-8.
std::uint64_t
segment(std::uint64_t base, std::uint64_t limit, std::uint64_t access, std::uint64_t flags) {
  return (limit & 0xffff) | (base & 0xffffff) << 16 | access << 40 | (limit >> 16 & 0xf) << 48 |
         flags << 52 | (base >> 24 & 0xff) << 56;
}
/// The low half of a gate: figures 6-2 and 6-8.
std::uint64_t
gate(std::uint64_t target, std::uint64_t selector, std::uint64_t access, std::uint64_t stack) {
  return (target & 0xffff) | selector << 16 | stack << 32 | access << 40 |
         (target >> 16 & 0xffff) << 48;
}

struct Tables : X86Rig {
  explicit Tables(CodeMode in) {
    mode(in);
    sregs().gdt.base = sregs().idt.base = table_at;
    sregs().gdt.limit = sregs().idt.limit = 0xfff;
    sregs().ldt.unusable = sregs().tr.unusable = 1;
    cpu->exited();
  }
  std::vector<Descriptor> list(TableKind kind, std::uint64_t first = 0, std::uint64_t count = 256) {
    auto found = cpu->descriptors(kind, first, count);
    REQUIRE(found);
    return found->entries;
  }
};

} // namespace

TEST_CASE("an IDT of long mode has 16 bytes for each gate") {
  Tables rig(CodeMode::bits64);
  rig.put(table_at + 16 * 2, gate(0x81234567, 0x10, 0x8e, 3));
  rig.put(table_at + 16 * 2 + 8, std::uint64_t{0xffffffff});
  rig.put(table_at + 16 * 3, gate(0x1000, 0x10, 0xef, 0));
  rig.put(table_at + 16 * 9, gate(0x2000, 0x33, 0x0e, 0));
  const auto gates = rig.list(TableKind::idt);
  REQUIRE(gates.size() == 3);
  CHECK(gates[0].number == 2);
  CHECK(gates[0].kind == "64-bit interrupt gate");
  CHECK(gates[0].base == 0xffffffff81234567);
  CHECK(gates[0].selector == 0x10);
  CHECK(gates[0].stack == 3);
  CHECK(gates[0].privilege == 0);
  CHECK(gates[0].present);
  CHECK(gates[1].kind == "64-bit trap gate");
  CHECK(gates[1].privilege == 3);
  CHECK_FALSE(gates[2].present);
  CHECK(rig.list(TableKind::idt, 3, 1).at(0).number == 3);
  CHECK(rig.list(TableKind::idt, 3, 6).size() == 1);
  CHECK(rig.list(TableKind::idt, 256, 256).empty());
  CHECK(rig.list(TableKind::idt, ~std::uint64_t{0}, 256).empty());
}

TEST_CASE("a limit cuts a table, and so does a hole") {
  Tables rig(CodeMode::bits64);
  for (std::uint64_t n = 0; n < 256; ++n) {
    rig.put(table_at + 16 * n, gate(0x1000, 0x10, 0x8e, 0));
  }
  CHECK(rig.list(TableKind::idt).size() == 256);
  rig.sregs().idt.limit = 16 * 4 - 2; // the last byte of the fourth is missing
  rig.cpu->exited();
  CHECK(rig.list(TableKind::idt).size() == 3);
  rig.sregs().idt.limit = 0xfff;
  rig.sregs().idt.base = 0xff00; // memory ends at 0x10000
  rig.cpu->exited();
  for (std::uint64_t at = 0xff00; at < 0x10000; at += 16) {
    rig.put(at, gate(0x1000, 0x10, 0x8e, 0));
  }
  CHECK(rig.list(TableKind::idt).size() == 16);
}

TEST_CASE("gates of 32-bit mode have 8 bytes, vectors of real mode 4") {
  Tables protected_mode(CodeMode::bits32);
  protected_mode.put(table_at + 8 * 13, gate(0x12345678, 8, 0x8f, 0));
  protected_mode.put(table_at + 8 * 14, gate(0, 0x20, 0x85, 0));
  auto gates = protected_mode.list(TableKind::idt);
  REQUIRE(gates.size() == 2);
  CHECK(gates[0].kind == "32-bit trap gate");
  CHECK(gates[0].base == 0x12345678);
  CHECK(gates[1].kind == "task gate");
  CHECK(gates[1].selector == 0x20);

  Tables real(CodeMode::bits16);
  real.put(table_at + 4 * 0x10, std::uint32_t{0xf000'1234});
  gates = real.list(TableKind::idt);
  REQUIRE(gates.size() == 1);
  CHECK(gates[0].number == 0x10);
  CHECK(gates[0].kind == "real-mode vector");
  CHECK(gates[0].selector == 0xf000);
  CHECK(gates[0].base == 0xf1234);
  CHECK_FALSE(real.cpu->descriptors(TableKind::gdt, 0, 256));
}

TEST_CASE("segments, and a TSS that takes two entries in long mode") {
  Tables rig(CodeMode::bits64);
  rig.put(table_at + 8, segment(0, 0xfffff, 0x9b, 0xa));
  rig.put(table_at + 16, segment(0x1000, 0xfffff, 0xf3, 0xc));
  rig.put(table_at + 24, segment(0x2000, 0xff, 0x90, 0x0));
  rig.put(table_at + 32, segment(0xfe003000, 0x67, 0x8b, 0));
  rig.put(table_at + 40, std::uint64_t{0xfffffe00});
  rig.put(table_at + 48, segment(0x6000, 0xf, 0x82, 0));
  const auto found = rig.list(TableKind::gdt);
  REQUIRE(found.size() == 5);
  CHECK(found[0].kind == "64-bit code");
  CHECK(found[0].limit == 0xffffffff);
  CHECK(found[1].kind == "32-bit data");
  CHECK(found[1].base == 0x1000);
  CHECK(found[1].privilege == 3);
  CHECK(found[2].kind == "16-bit data, read-only");
  CHECK(found[2].limit == 0xff);
  CHECK(found[3].number == 4);
  CHECK(found[3].kind == "64-bit TSS, busy");
  CHECK(found[3].base == 0xfffffe00fe003000);
  CHECK(found[4].number == 6);
  CHECK(found[4].kind == "LDT");
  CHECK(rig.list(TableKind::gdt, 4, 1).at(0).kind == "64-bit TSS, busy");
  CHECK(rig.list(TableKind::gdt, 5, 1).empty()); // the second half of one is none
}

TEST_CASE("an LDT and a task state, where the vCPU has them") {
  Tables rig(CodeMode::bits64);
  CHECK_FALSE(rig.cpu->descriptors(TableKind::ldt, 0, 256));
  CHECK_FALSE(rig.cpu->descriptors(TableKind::tss, 0, 256));
  auto& s = rig.sregs();
  s.ldt.unusable = s.tr.unusable = 0;
  s.ldt.selector = 0x30;
  s.ldt.base = table_at;
  s.ldt.limit = 15;
  s.tr.selector = 0x20;
  s.tr.base = 0x6000;
  s.tr.limit = 0x67;
  s.tr.type = 11;
  rig.cpu->exited();
  rig.put(table_at + 8, segment(0, 0xfffff, 0xfa, 0xc));
  CHECK(rig.list(TableKind::ldt).at(0).kind == "32-bit code");
  rig.put(0x6000 + 4, std::uint64_t{0xffffc90000003000});
  rig.put(0x6000 + 36, std::uint64_t{0xfffffe0000001000});
  const auto fields = rig.list(TableKind::tss);
  REQUIRE(fields.size() == 11);
  CHECK(fields[0].kind == "rsp0");
  CHECK(fields[0].base == 0xffffc90000003000);
  CHECK(fields[3].kind == "ist1");
  CHECK(fields[3].base == 0xfffffe0000001000);
}
