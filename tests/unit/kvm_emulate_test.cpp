// Instructions carried out by the debugger, against the CPU that runs this test.
#include "tests/arch_contract/x86_rig.hpp"

#include <catch2/catch.hpp>

#include <cstring>
#include <random>
#include <sys/mman.h>

using namespace kdbg;
using namespace kdbg::kvm;
using kdbg::test::X86Rig;

namespace {

struct State {
  std::uint64_t rax, rcx, flags;
};
constexpr std::uint64_t arithmetic_flags = 0x8d5;

#ifdef __x86_64__
/// Runs one instruction on rax, rcx and the arithmetic flags.
State native(const Bytes& instruction, State state) {
  Bytes code;
  const auto put = [&](std::initializer_list<unsigned> bytes) {
    for (const unsigned byte : bytes)
      code.push_back(static_cast<std::byte>(byte));
  };
  put({0x48, 0x8b, 0x07, 0x48, 0x8b, 0x4f, 0x08, 0xff, 0x77, 0x10, 0x9d}); // load; push; popfq
  code.insert(code.end(), instruction.begin(), instruction.end());
  put({0x9c, 0x8f, 0x47, 0x10, 0x48, 0x89, 0x07, 0x48, 0x89, 0x4f, 0x08, 0xc3}); // store; ret
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(page != MAP_FAILED);
  std::memcpy(page, code.data(), code.size());
  REQUIRE(::mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
  reinterpret_cast<void (*)(State*)>(page)(&state);
  ::munmap(page, 4096);
  return state;
}
#endif

Bytes bytes(std::initializer_list<unsigned> list) {
  Bytes out;
  for (const unsigned byte : list)
    out.push_back(static_cast<std::byte>(byte));
  return out;
}

struct Rig : X86Rig {
  bool free = true;
  bool emulate(const Bytes& code) {
    cpu->exited();
    auto done = cpu->emulate(code, [this](GuestPhys, std::size_t) { return free; });
    REQUIRE(done);
    if (*done) REQUIRE(cpu->arm(DebugPlan{})); // hands the registers over
    return *done;
  }
};

} // namespace

#ifdef __x86_64__
TEST_CASE("arithmetic gives the CPU's result and flags at every width") {
  // op rm, r with rm = rax, r = rcx: add or and sub xor cmp test
  const unsigned opcodes[] = {0x00, 0x08, 0x20, 0x28, 0x30, 0x38, 0x84};
  std::mt19937_64 random(7);
  const std::uint64_t awkward[] = {0,      1,          0x7f,       0x80,  0xff,       0x7fff,
                                   0x8000, 0x7fffffff, 0x80000000, ~0ull, 1ull << 63, ~0ull >> 1};
  const auto operand = [&] {
    return random() % 2 ? random() : awkward[random() % std::size(awkward)];
  };
  std::vector<Bytes> all;
  for (const unsigned op : opcodes) {
    all.push_back(bytes({op, 0xc8}));           // 8 bits
    all.push_back(bytes({0x66, op | 1, 0xc8})); // 16
    all.push_back(bytes({op | 1, 0xc8}));       // 32
    all.push_back(bytes({0x48, op | 1, 0xc8})); // 64
    if (op == 0x84) continue;
    all.push_back(bytes({0x83, 0xc0 | op, 0xf0}));       // eax, -16
    all.push_back(bytes({0x48, 0x83, 0xc0 | op, 0x70})); // rax, 112
  }
  for (const unsigned which : {0xc0u, 0xc8u}) { // inc and dec of al, ax, eax, rax
    all.push_back(bytes({0xfe, which}));
    all.push_back(bytes({0x66, 0xff, which}));
    all.push_back(bytes({0xff, which}));
    all.push_back(bytes({0x48, 0xff, which}));
  }
  all.push_back(bytes({0x48, 0x0f, 0xb6, 0xc1})); // movzx, movsx, movsxd, mov, lea
  all.push_back(bytes({0x0f, 0xbf, 0xc1}));
  all.push_back(bytes({0x48, 0x0f, 0xbe, 0xc1}));
  all.push_back(bytes({0x48, 0x63, 0xc1}));
  all.push_back(bytes({0x89, 0xc8}));
  all.push_back(bytes({0x66, 0x89, 0xc8}));
  all.push_back(bytes({0x88, 0xc8}));
  all.push_back(bytes({0x48, 0x8d, 0x44, 0x88, 0x7f})); // lea 0x7f(%rax,%rcx,4), %rax
  all.push_back(bytes({0x8d, 0x04, 0x08}));
  all.push_back(bytes({0xf3, 0x0f, 0x1e, 0xfa})); // endbr64
  for (const Bytes& instruction : all) {
    Rig rig;
    for (int round = 0; round < 60; ++round) {
      const State before{operand(), operand(), 2 | (random() & arithmetic_flags)};
      const State want = native(instruction, before);
      auto& regs = rig.regs();
      regs.rax = before.rax;
      regs.rcx = before.rcx;
      regs.rflags = before.flags;
      const std::uint64_t rip = regs.rip;
      INFO("opcode " << std::to_integer<int>(instruction[0]) << " "
                     << std::to_integer<int>(instruction[1]) << ": rax " << before.rax << " rcx "
                     << before.rcx << " flags " << before.flags);
      REQUIRE(rig.emulate(instruction));
      CHECK(rig.regs().rax == want.rax);
      CHECK(rig.regs().rcx == want.rcx);
      CHECK((rig.regs().rflags & arithmetic_flags) == (want.flags & arithmetic_flags));
      CHECK(rig.regs().rip == rip + instruction.size());
    }
  }
}

TEST_CASE("conditional jumps go where the CPU would, for every condition and all flags") {
  std::mt19937_64 random(9);
  for (unsigned code = 0; code < 16; ++code) {
    Rig rig;
    for (int round = 0; round < 100; ++round) {
      // jcc +4 over mov $1 to cl, seen natively in rcx
      const State before{0, 0, 2 | (random() & arithmetic_flags)};
      const State want = native(bytes({0x70 | code, 2, 0xb1, 1}), before);
      rig.regs().rflags = before.flags;
      const std::uint64_t rip = rig.regs().rip;
      REQUIRE(rig.emulate(bytes({0x70 | code, 2})));
      CHECK(rig.regs().rip == rip + (want.rcx == 0 ? 4 : 2));
      CHECK(rig.emulate(bytes({0x0f, 0x80 | code, 0, 0, 0, 0})));
    }
  }
}
#endif

TEST_CASE("the stack and memory are used as by the CPU, and only where a write may go") {
  Rig rig;
  auto& regs = rig.regs();
  regs.rsp = 0x3000;
  regs.rbp = 0x1234;
  REQUIRE(rig.emulate(bytes({0x55}))); // push %rbp
  CHECK(rig.regs().rsp == 0x2ff8);
  CHECK(rig.get_word(0x2ff8, 8) == 0x1234);
  REQUIRE(rig.emulate(bytes({0xe8, 0xff, 0, 0, 0}))); // call
  CHECK(rig.regs().rip == 0x1105);
  CHECK(rig.get_word(0x2ff0, 8) == 0x1006);
  REQUIRE(rig.emulate(bytes({0xc3})));
  CHECK(rig.regs().rip == 0x1006);
  REQUIRE(rig.emulate(bytes({0x58}))); // pop %rax
  CHECK(rig.regs().rax == 0x1234);
  CHECK(rig.regs().rsp == 0x3000);
  rig.free = false;
  const auto before = rig.regs();
  CHECK_FALSE(rig.emulate(bytes({0x55})));
  CHECK_FALSE(rig.emulate(bytes({0x89, 0x44, 0x24, 0xf8}))); // mov %eax, -8(%rsp)
  CHECK(std::memcmp(&before, &rig.regs(), sizeof before) == 0);
  CHECK(rig.emulate(bytes({0x8b, 0x44, 0x24, 0xf8}))); // reads are no writes
}

TEST_CASE("what is not plain is left to the CPU") {
  Rig rig;
  const auto refuses = [&](std::initializer_list<unsigned> code) {
    const auto before = rig.regs();
    const bool refused = !rig.emulate(bytes(code));
    return refused && std::memcmp(&before, &rig.regs(), sizeof before) == 0;
  };
  CHECK(refuses({0xcc}));
  CHECK(refuses({0xf4}));
  CHECK(refuses({0x0f, 0xa2}));       // cpuid
  CHECK(refuses({0xf3, 0xa4}));       // rep movsb
  CHECK(refuses({0xf0, 0xff, 0x00})); // lock inc (%rax)
  CHECK(refuses({0x8e, 0xd8}));       // mov %eax, %ds
  CHECK(refuses({0x0f, 0x20, 0xc0})); // mov %cr0, %rax
  CHECK(refuses({0xff, 0xe0}));       // jmp *%rax
  CHECK(refuses({0xc2, 0x08, 0x00})); // ret $8
  CHECK(refuses({0xe2, 0xfe}));       // loop
  CHECK(refuses({0x00, 0xe0}));       // add %ah, %al
  CHECK(refuses({0x67, 0x8d, 0x00})); // lea (%eax), %eax
  CHECK(refuses({0x9d}));
  CHECK(refuses({0x48})); // cut off
  CHECK(refuses({}));
  rig.regs().rax = ~std::uint64_t{0} - 1000; // no memory
  CHECK(refuses({0x8b, 0x00}));
  rig.sregs().cr4 |= 1u << 23; // shadow stacks
  CHECK(refuses({0x90}));
  rig.sregs().cr4 = 0;
  rig.regs().rflags |= x86::flag_tf; // the guest steps itself
  CHECK(refuses({0x90}));
  rig.regs().rflags = 2;
  rig.mode(x86::CodeMode::bits32);
  CHECK(refuses({0x90}));
}
