// Instructions as a debugger must know them: what kind, how long, and what memory they touch.
#include "kvm/arch/x86_64/decode.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdio>

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::kvm::x86;

namespace {

constexpr CodeMode b16 = CodeMode::bits16, b32 = CodeMode::bits32, b64 = CodeMode::bits64;

Bytes bytes(std::initializer_list<unsigned> code) {
  Bytes out;
  for (const unsigned byte : code)
    out.push_back(static_cast<std::byte>(byte));
  return out;
}

Sregs sregs(CodeMode mode) {
  Sregs out{};
  out.efer = mode == b64 ? efer_lma : 0;
  out.cr0 = mode == b16 ? 0 : cr0_pe;
  out.cs.l = mode == b64 ? 1 : 0;
  out.cs.db = out.ss.db = mode == b32 ? 1 : 0;
  out.cs.base = 0x100000;
  out.ds.base = 0x200000;
  out.es.base = 0x300000;
  out.ss.base = 0x400000;
  out.fs.base = 0x500000;
  out.gs.base = 0x600000;
  return out;
}

Regs regs() {
  Regs out{};
  out.rax = 0x12;
  out.rbx = 0x1000;
  out.rcx = 0x3;
  out.rdx = 0x20;
  out.rsi = 0x2000;
  out.rdi = 0x3000;
  out.rsp = 0x8000;
  out.rbp = 0x9000;
  out.r12 = 0xffff888000000000;
  out.rip = 0x400;
  return out;
}

constexpr unsigned r = 1, w = 2;
struct Want {
  std::uint64_t address, length;
  unsigned how;
};
void check(CodeMode mode,
           std::initializer_list<unsigned> code,
           std::vector<Want> want,
           const Regs& state = regs()) {
  std::string text;
  for (const unsigned byte : code)
    text += "0123456789abcdef"[byte >> 4], text += "0123456789abcdef"[byte & 15];
  INFO("mode " << static_cast<int>(mode) << ", code " << text);
  auto got = accesses(bytes(code), state, sregs(mode));
  const auto less = [](const auto& a, const auto& b) {
    return std::pair(a.address, a.length) < std::pair(b.address, b.length);
  };
  std::sort(got.begin(), got.end(), less);
  std::sort(want.begin(), want.end(), less);
  std::string shown;
  for (const Access& access : got) {
    char line[80];
    std::snprintf(line, sizeof line, "%#llx+%llu%s%s ",
                  static_cast<unsigned long long>(access.address),
                  static_cast<unsigned long long>(access.length), access.reads ? "r" : "",
                  access.writes ? "w" : "");
    shown += line;
  }
  INFO("found " << shown);
  CHECK(got.size() == want.size());
  for (std::size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    CHECK(got[i].address == want[i].address);
    CHECK(got[i].length == want[i].length);
    CHECK(got[i].reads == ((want[i].how & r) != 0));
    CHECK(got[i].writes == ((want[i].how & w) != 0));
  }
}

} // namespace

TEST_CASE("the code segment decides the width of code") {
  CHECK(code_mode(sregs(b64)) == b64);
  CHECK(code_mode(sregs(b32)) == b32);
  CHECK(code_mode(sregs(b16)) == b16);
  Sregs compatibility = sregs(b64);
  compatibility.cs.l = 0;
  compatibility.cr0 = cr0_pe;
  CHECK(code_mode(compatibility) == b16);
  compatibility.cs.db = 1;
  CHECK(code_mode(compatibility) == b32);
  Sregs real = sregs(b16);
  real.cs.db = 1; // left over: real mode is 16-bit all the same
  CHECK(code_mode(real) == b16);
  Sregs early = sregs(b32);
  early.cs.l = 1; // means nothing before long mode is active
  CHECK(code_mode(early) == b32);
}

TEST_CASE("instructions that need care when stepped are told from plain ones") {
  const struct {
    CodeMode mode;
    std::initializer_list<unsigned> code;
    Kind kind;
    unsigned length, operand;
  } cases[] = {{b64, {0x9c}, Kind::pushf, 1, 8},
               {b64, {0x66, 0x9c}, Kind::pushf, 2, 2},
               {b32, {0x9c}, Kind::pushf, 1, 4},
               {b32, {0x66, 0x9c}, Kind::pushf, 2, 2},
               {b16, {0x9c}, Kind::pushf, 1, 2},
               {b16, {0x66, 0x9c}, Kind::pushf, 2, 4},
               {b64, {0x9d}, Kind::popf, 1, 8},
               {b32, {0x9d}, Kind::popf, 1, 4},
               {b16, {0x9d}, Kind::popf, 1, 2},
               {b64, {0x48, 0xcf}, Kind::iret, 2, 8},
               {b64, {0xcf}, Kind::iret, 1, 4},
               {b32, {0xcf}, Kind::iret, 1, 4},
               {b16, {0xcf}, Kind::iret, 1, 2},
               {b16, {0x66, 0xcf}, Kind::iret, 2, 4},
               {b64, {0x0f, 0x05}, Kind::syscall, 2, 0},
               {b64, {0x48, 0x0f, 0x07}, Kind::sysret, 3, 0},
               {b64, {0x0f, 0x07}, Kind::sysret, 2, 0},
               {b64, {0xcc}, Kind::interrupt, 1, 0},
               {b64, {0xcd, 0x03}, Kind::interrupt, 2, 0},
               {b64, {0xf1}, Kind::interrupt, 1, 0},
               {b32, {0xce}, Kind::interrupt, 1, 0},
               {b64, {0xfb}, Kind::sti, 1, 0},
               {b64, {0xf4}, Kind::hlt, 1, 0},
               {b64, {0x8e, 0xd0}, Kind::load_ss, 2, 0},
               {b32, {0x17}, Kind::load_ss, 1, 0},             // pop ss
               {b32, {0x0f, 0xb2, 0x20}, Kind::load_ss, 3, 0}, // lss
               {b64, {0x8e, 0xd8}, Kind::plain, 2, 0},         // mov ds
               {b64, {0x8c, 0xd0}, Kind::plain, 2, 0},         // mov eax, ss
               {b64, {0x90}, Kind::plain, 1, 0},
               {b64, {0x0f, 0x34}, Kind::plain, 2, 0}, // sysenter
               {b64, {0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8}, Kind::plain, 10, 8}};
  for (const auto& each : cases) {
    const Instruction got = decode(bytes(each.code), each.mode);
    INFO("mode " << static_cast<int>(each.mode) << ", first byte " << std::hex
                 << *each.code.begin());
    CHECK(got.kind == each.kind);
    CHECK(got.length == each.length);
    if (each.operand != 0) CHECK(got.operand_bytes == each.operand);
    CHECK_FALSE(got.repeats);
  }
}

TEST_CASE("the exception that an instruction raises, or would") {
  const struct {
    std::initializer_list<unsigned> code;
    std::optional<unsigned> vector;
  } cases[] = {{{0x0f, 0x0b}, 6},        // ud2
               {{0xff, 0xff}, 6},        // no instruction
               {{0xcd, 0x80}, 0x80},     // int
               {{0xcc}, 3},              // int3
               {{0xf1}, 1},              // icebp
               {{0xf7, 0xf9}, 0},        // idiv
               {{0xce}, 4},              // into
               {{0x62, 0x00}, 5},        // bound
               {{0x0f, 0x22, 0xc0}, 13}, // mov to cr0
               {{0x0f, 0x30}, 13},       // wrmsr
               {{0xe6, 0x80}, {}},       // out
               {{0x90}, {}}};
  for (const auto& each : cases) {
    INFO("first byte " << std::hex << *each.code.begin());
    const auto got = decode(bytes(each.code), b32).raises;
    CHECK(got.has_value() == each.vector.has_value());
    if (each.vector) CHECK(got == *each.vector);
  }
  CHECK_FALSE(decode({}, b32).raises);
}

TEST_CASE("a branch to itself is told from others") {
  CHECK(decode(bytes({0xeb, 0xfe}), b64).stays);
  CHECK(decode(bytes({0xe9, 0xfb, 0xff, 0xff, 0xff}), b64).stays);
  CHECK(decode(bytes({0x74, 0xfe}), b64).stays); // je
  CHECK_FALSE(decode(bytes({0xeb, 0xfd}), b64).stays);
  CHECK_FALSE(decode(bytes({0xb0, 0xfe}), b64).stays); // mov $-2, %al
}

TEST_CASE("only string instructions repeat") {
  for (const auto& code : {bytes({0xf3, 0xa4}), bytes({0xf3, 0x48, 0xab}), bytes({0xf2, 0xae}),
                           bytes({0xf3, 0xa6}), bytes({0xf3, 0x6c}), bytes({0xf3, 0x6e})})
    CHECK(decode(code, b64).repeats);
  for (const auto& code :
       {bytes({0xa4}), bytes({0xf3, 0x90}), bytes({0xf3, 0xc3}), bytes({0xf2, 0xe9, 0, 0, 0, 0}),
        bytes({0xf3, 0x0f, 0xb8, 0xc0}), bytes({0xf3, 0x0f, 0x1e, 0xfa})})
    CHECK_FALSE(decode(code, b64).repeats);
}

TEST_CASE("movs, stos, lods, ins and outs repeat with either prefix") {
  for (const unsigned opcode : {0xa4u, 0xaau, 0xacu, 0x6cu, 0x6eu}) {
    INFO(std::hex << opcode);
    CHECK(decode(bytes({0xf2, opcode}), b64).repeats);
  }
}

TEST_CASE("what cannot be decoded is plain, of no length and touches nothing") {
  for (const auto& code : {bytes({}), bytes({0x48}), bytes({0x06}), bytes({0x0f, 0xff, 0xff})}) {
    const Instruction got = decode(code, b64);
    CHECK(got.kind == Kind::plain);
    if (code.size() < 2) CHECK(got.length == 0);
    CHECK_FALSE(got.repeats);
  }
  check(b64, {0x06}, {});
  check(b64, {}, {});
}

TEST_CASE("explicit operands in 64-bit mode: bases are 0 but for fs and gs") {
  check(b64, {0x89, 0x03}, {{0x1000, 4, w}});             // mov [rbx], eax
  check(b64, {0x48, 0x8b, 0x03}, {{0x1000, 8, r}});       // mov rax, [rbx]
  check(b64, {0x66, 0x01, 0x03}, {{0x1000, 2, r | w}});   // add [rbx], ax
  check(b64, {0x88, 0x43, 0xf0}, {{0x0ff0, 1, w}});       // mov [rbx-16], al
  check(b64, {0x8b, 0x44, 0x8b, 0x08}, {{0x1014, 4, r}}); // mov eax, [rbx+rcx*4+8]
  check(b64, {0x2e, 0x8b, 0x03}, {{0x1000, 4, r}});       // cs: is ignored
  check(b64, {0x64, 0x8b, 0x03}, {{0x501000, 4, r}});     // mov eax, fs:[rbx]
  check(b64, {0x65, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0}, {{0x600028, 8, r}}); // gs:[0x28]
  check(b64, {0x41, 0x89, 0x44, 0x24, 0x10}, {{0xffff888000000010, 4, w}}); // mov [r12+16], eax
  check(b64, {0x8b, 0x05, 0x10, 0, 0, 0}, {{0x400 + 6 + 0x10, 4, r}});      // mov eax, [rip+16]
  check(b64, {0xc7, 0x05, 0x10, 0, 0, 0, 1, 2, 3, 4}, {{0x400 + 10 + 0x10, 4, w}});
  check(b64, {0x8b, 0x05, 0xf0, 0xfb, 0xff, 0xff}, {{0xfffffffffffffff6, 4, r}});
  check(b64, {0x67, 0x8b, 0x03}, {{0x1000, 4, r}}); // mov eax, [ebx]
  check(b64, {0xa1, 1, 2, 3, 4, 5, 6, 7, 8}, {{0x0807060504030201, 4, r}});
  check(b64, {0x0f, 0x11, 0x03}, {{0x1000, 16, w}});                // movups [rbx], xmm0
  check(b64, {0xdb, 0x3b}, {{0x1000, 10, w}});                      // fstp tbyte [rbx]
  check(b64, {0xf0, 0x48, 0x0f, 0xb1, 0x0b}, {{0x1000, 8, r | w}}); // lock cmpxchg
  check(b64, {0x85, 0x03}, {{0x1000, 4, r}});                       // test
}

TEST_CASE("what only looks like memory is none") {
  check(b64, {0x48, 0x8d, 0x03}, {}); // lea
  check(b64, {0x89, 0xc3}, {});
  check(b64, {0xe9, 0, 0, 0, 0}, {});
  check(b64, {0x0f, 0x05}, {});
}

TEST_CASE("an address of 32 or 16 bits wraps before the base is added, a linear one after") {
  Regs wraps = regs();
  wraps.rbx = 0xffffffff;
  check(b64, {0x67, 0x8b, 0x43, 0x10}, {{0xf, 4, r}}, wraps); // mov eax, [ebx+16]
  check(b32, {0x8b, 0x43, 0x10}, {{0x20000f, 4, r}}, wraps);
  wraps.rbx = 0xfff8;
  check(b16, {0x8b, 0x47, 0x10}, {{0x200008, 2, r}}, wraps); // mov ax, [bx+16]
  wraps.rbx = 0xffe00000;
  check(b32, {0x8b, 0x03}, {{0, 4, r}}, wraps); // ds.base + ebx
}

TEST_CASE("explicit operands with segments: the default one and overrides") {
  check(b32, {0x89, 0x03}, {{0x201000, 4, w}});       // mov [ebx], eax
  check(b32, {0x8b, 0x45, 0x08}, {{0x409008, 4, r}}); // mov eax, [ebp+8]: ss
  check(b32, {0x26, 0x8b, 0x03}, {{0x301000, 4, r}});
  check(b32, {0x2e, 0x8b, 0x03}, {{0x101000, 4, r}});
  check(b32, {0x36, 0x8b, 0x03}, {{0x401000, 4, r}});
  check(b32, {0x65, 0x8b, 0x03}, {{0x601000, 4, r}});
  check(b16, {0x8b, 0x07}, {{0x201000, 2, r}}); // mov ax, [bx]
  check(b16, {0x8b, 0x00}, {{0x203000, 2, r}}); // mov ax, [bx+si]
  check(b16, {0x8b, 0x03}, {{0x40c000, 2, r}}); // mov ax, [bp+di]: ss
  check(b16, {0x64, 0xa1, 0x34, 0x12}, {{0x501234, 2, r}});
}

TEST_CASE("stack instructions touch the stack") {
  check(b64, {0x50}, {{0x7ff8, 8, w}});                       // push rax
  check(b64, {0x66, 0x50}, {{0x7ffe, 2, w}});                 // push ax
  check(b64, {0x58}, {{0x8000, 8, r}});                       // pop rax
  check(b64, {0xe8, 0, 0, 0, 0}, {{0x7ff8, 8, w}});           // call
  check(b64, {0xff, 0x13}, {{0x1000, 8, r}, {0x7ff8, 8, w}}); // call [rbx]
  check(b64, {0xff, 0x33}, {{0x1000, 8, r}, {0x7ff8, 8, w}}); // push [rbx]
  check(b64, {0x8f, 0x03}, {{0x8000, 8, r}, {0x1000, 8, w}}); // pop [rbx]
  check(b64, {0xc3}, {{0x8000, 8, r}});                       // ret
  check(b64, {0x9c}, {{0x7ff8, 8, w}});                       // pushfq
  check(b64, {0x9d}, {{0x8000, 8, r}});
  check(b64, {0xc9}, {{0x9000, 8, r}}); // leave
  check(b32, {0x50}, {{0x407ffc, 4, w}});
  check(b32, {0xe8, 0, 0, 0, 0}, {{0x407ffc, 4, w}});
  check(b32, {0x60}, {{0x408000 - 32, 32, w}}); // pushad
  check(b32, {0x61}, {{0x408000, 32, r}});      // popad
  check(b16, {0x50}, {{0x407ffe, 2, w}});
  check(b16, {0xe8, 0, 0}, {{0x407ffe, 2, w}});
  check(b16, {0x60}, {{0x408000 - 16, 16, w}});
  check(b64, {0xc8, 0x20, 0, 0}, {{0x7ff8, 8, w}}); // enter 32, 0
  check(b32, {0xc8, 0x20, 0, 0}, {{0x407ffc, 4, w}});
}

TEST_CASE("string instructions: the source may be overridden, the destination is es") {
  check(b64, {0x48, 0xa5}, {{0x2000, 8, r}, {0x3000, 8, w}}); // movsq
  check(b64, {0xf3, 0xa4}, {{0x2000, 1, r}, {0x3000, 1, w}}); // one round of rep movsb
  check(b64, {0xaa}, {{0x3000, 1, w}});                       // stosb
  check(b64, {0x65, 0xac}, {{0x602000, 1, r}});               // lodsb gs:
  check(b64, {0xa7}, {{0x2000, 4, r}, {0x3000, 4, r}});       // cmpsd
  check(b64, {0xae}, {{0x3000, 1, r}});                       // scasb
  check(b32, {0xa5}, {{0x202000, 4, r}, {0x303000, 4, w}});
  check(b32, {0x64, 0xa5}, {{0x502000, 4, r}, {0x303000, 4, w}});
  check(b32, {0xab}, {{0x303000, 4, w}});
  check(b16, {0xa5}, {{0x202000, 2, r}, {0x303000, 2, w}});
  check(b16, {0xab}, {{0x303000, 2, w}});
  check(b64, {0x6c}, {{0x3000, 1, w}}); // insb
  check(b64, {0x6e}, {{0x2000, 1, r}}); // outsb
}

// A count of zero touches nothing.
TEST_CASE("a repeated instruction with nothing left to do touches nothing") {
  Regs done = regs();
  done.rcx = 0;
  check(b64, {0xf3, 0xaa}, {}, done);
  done.rcx = 0x100000000;
  check(b64, {0x67, 0xf3, 0xaa}, {}, done); // ecx counts
  check(b16, {0xf3, 0xaa}, {}, done);       // cx
}

// The prefix is about explicit operands; the stack's width is the mode's.
TEST_CASE("an address-size prefix on a call or push does not shorten the stack pointer") {
  Regs high = regs();
  high.rsp = 0xffff888000001000;
  check(b64, {0x67, 0xe8, 0, 0, 0, 0}, {{0xffff888000000ff8, 8, w}}, high); // as linkers pad calls
  check(b64, {0x67, 0x50}, {{0xffff888000000ff8, 8, w}}, high);
}

// SDM vol. 2, POP.
TEST_CASE("pop into memory addressed by rsp uses the rsp after it") {
  check(b64, {0x8f, 0x04, 0x24}, {{0x8000, 8, r}, {0x8008, 8, w}}); // pop [rsp]
}

// By the 8-bit al.
TEST_CASE("xlat adds al") {
  check(b64, {0xd7}, {{0x1012, 1, r}});
}

// SDM vol. 2, BT: the bit offset may be any number.
TEST_CASE("a bit string reaches beyond its operand") {
  Regs far = regs();
  far.rax = 0x4000;                                                  // bits
  check(b64, {0x0f, 0xab, 0x03}, {{0x1000 + 0x800, 4, r | w}}, far); // bts [rbx], eax
}

// Compilers pad with nops that name memory.
TEST_CASE("a hint reads nothing") {
  check(b64, {0x0f, 0x1f, 0x03}, {}); // nop [rbx]
  check(b64, {0x0f, 0x18, 0x0b}, {}); // prefetcht0 [rbx]
}
