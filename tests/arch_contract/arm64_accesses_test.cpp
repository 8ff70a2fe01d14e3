// What memory an instruction touches, against words that GNU as made.
#include "kvm/arch/arm64/loadstore.hpp"
#include "tests/arch_contract/arm64_rig.hpp"

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::kvm::arm64;
using kdbg::test::Arm64Rig;
namespace reg = kdbg::kvm::arm64::reg;

namespace {

constexpr unsigned vector_bytes = 32;

struct Case {
  std::uint32_t word;
  const char* text;
  unsigned base;
  std::int64_t displacement;
  std::uint64_t length;
  bool reads, writes;
};
constexpr Case cases[] = {
    {0xf9400041, "ldr x1, [x2]", 2, 0, 8, true, false},
    {0xb94ffc41, "ldr w1, [x2, #4092]", 2, 4092, 4, true, false},
    {0x397fffe1, "ldrb w1, [sp, #4095]", 31, 4095, 1, true, false},
    {0x79000441, "strh w1, [x2, #2]", 2, 2, 2, false, true},
    {0xb8900041, "ldrsw x1, [x2, #-256]", 2, -256, 4, true, false},
    {0x39c00441, "ldrsb w1, [x2, #1]", 2, 1, 1, true, false},
    {0xf81f8441, "str x1, [x2], #-8", 2, 0, 8, false, true},
    {0xf81f8c41, "str x1, [x2, #-8]!", 2, -8, 8, false, true},
    {0xf8410841, "ldtr x1, [x2, #16]", 2, 16, 8, true, false},
    {0x3dbffc47, "str q7, [x2, #65520]", 2, 65520, 16, false, true},
    {0x3d400447, "ldr b7, [x2, #1]", 2, 1, 1, true, false},
    {0xfc5fd047, "ldur d7, [x2, #-3]", 2, -3, 8, true, false},
    {0xa9600c41, "ldp x1, x3, [x2, #-512]", 2, -512, 16, true, false},
    {0x28810c41, "stp w1, w3, [x2], #8", 2, 0, 8, false, true},
    {0xa9bf7bfd, "stp x29, x30, [sp, #-16]!", 31, -16, 16, false, true},
    {0x69408c41, "ldpsw x1, x3, [x2, #4]", 2, 4, 8, true, false},
    {0xac5f8c41, "ldnp q1, q3, [x2, #1008]", 2, 1008, 32, true, false},
    {0x2d410c41, "ldp s1, s3, [x2, #8]", 2, 8, 8, true, false},
    {0xc85f7c41, "ldxr x1, [x2]", 2, 0, 8, true, false},
    {0x08037c41, "stxrb w3, w1, [x2]", 2, 0, 1, false, true},
    {0x887f8c41, "ldaxp w1, w3, [x2]", 2, 0, 8, true, false},
    {0xc8248c41, "stlxp w4, x1, x3, [x2]", 2, 0, 16, false, true},
    {0x88dffc41, "ldar w1, [x2]", 2, 0, 4, true, false},
    {0x489ffc41, "stlrh w1, [x2]", 2, 0, 2, false, true},
    {0xf8bfc041, "ldapr x1, [x2]", 2, 0, 8, true, false},
    {0x995ff041, "ldapur w1, [x2, #-1]", 2, -1, 4, true, false},
    {0x19003041, "stlurb w1, [x2, #3]", 2, 3, 1, false, true},
    {0x88a17c43, "cas w1, w3, [x2]", 2, 0, 4, true, true},
    {0x48207c44, "casp x0, x1, x4, x5, [x2]", 2, 0, 16, true, true},
    {0x08207c44, "casp w0, w1, w4, w5, [x2]", 2, 0, 8, true, true},
    {0xf8210043, "ldadd x1, x3, [x2]", 2, 0, 8, true, true},
    {0x38e18043, "swpalb w1, w3, [x2]", 2, 0, 1, true, true},
    {0xb821305f, "stset w1, [x2]", 2, 0, 4, true, true},
    {0xf83fd040, "ld64b x0, [x2]", 2, 0, 64, true, false},
    {0xf83f9040, "st64b x0, [x2]", 2, 0, 64, false, true},
    {0xf821b040, "st64bv x1, x0, [x2]", 2, 0, 64, false, true},
    {0xf8600441, "ldraa x1, [x2, #-4096]", 2, -4096, 8, true, false},
    {0x4c407040, "ld1 {v0.16b}, [x2]", 2, 0, 16, true, false},
    {0x0cdf2040, "ld1 {v0.8b-v3.8b}, [x2], #32", 2, 0, 32, true, false},
    {0x4c838840, "st2 {v0.4s, v1.4s}, [x2], x3", 2, 0, 32, false, true},
    {0x4c404c40, "ld3 {v0.2d-v2.2d}, [x2]", 2, 0, 48, true, false},
    {0x0c000840, "st4 {v0.2s-v3.2s}, [x2]", 2, 0, 32, false, true},
    {0x4d401c40, "ld1 {v0.b}[15], [x2]", 2, 0, 1, true, false},
    {0x0d9f5840, "st1 {v0.h}[3], [x2], #2", 2, 0, 2, false, true},
    {0x0d609040, "ld2 {v0.s, v1.s}[1], [x2]", 2, 0, 8, true, false},
    {0x4d00a440, "st3 {v0.d-v2.d}[1], [x2]", 2, 0, 24, false, true},
    {0x4d60e440, "ld4r {v0.8h-v3.8h}, [x2]", 2, 0, 8, true, false},
    {0x4d40cc40, "ld1r {v0.2d}, [x2]", 2, 0, 8, true, false},
    {0x69010c41, "stgp x1, x3, [x2, #32]", 2, 32, 16, false, true},
    {0xd9601841, "stzg x1, [x2, #16]", 2, 16, 16, false, true},
    {0xd9e02441, "stz2g x1, [x2], #32", 2, 0, 32, false, true},
    {0xd50b7422, "dc zva, x2", 2, 0, 64, false, true},
    {0x85bf5c41, "ldr z1, [x2, #-1, mul vl]", 2, -32, 32, true, false},
    {0xe5801c41, "str p1, [x2, #7, mul vl]", 2, 28, 4, false, true},
    {0xa441a041, "ld1b {z1.s}, p0/z, [x2, #1, mul vl]", 2, 8, 8, true, false},
    {0xa5e0a041, "ld1d {z1.d}, p0/z, [x2]", 2, 0, 32, true, false},
    {0xa4bfa041, "ldnf1h {z1.h}, p0/z, [x2, #-1, mul vl]", 2, -32, 32, true, false},
    {0xe562e041, "st1w {z1.d}, p0, [x2, #2, mul vl]", 2, 32, 16, false, true},
    {0xa4e1e041, "ld4h {z1.h-z4.h}, p0/z, [x2, #4, mul vl]", 2, 128, 128, true, false},
    {0xe411e041, "stnt1b {z1.b}, p0, [x2, #1, mul vl]", 2, 32, 32, false, true},
    {0xa5012041, "ld1rqw {z1.s}, p0/z, [x2, #16]", 2, 16, 16, true, false},
    {0x855f8041, "ld1rsh {z1.d}, p0/z, [x2, #62]", 2, 62, 2, true, false},
};

} // namespace

TEST_CASE("arm64 accesses: every class of load and store, its base, offset, length and direction") {
  for (const Case& each : cases) {
    INFO(each.text);
    const auto operand = decode_memory(each.word, vector_bytes);
    REQUIRE(operand);
    CHECK(operand->base == each.base);
    CHECK_FALSE(operand->literal);
    CHECK(operand->displacement == each.displacement);
    CHECK(operand->length == each.length);
    CHECK(operand->reads == each.reads);
    CHECK(operand->writes == each.writes);
  }
}

TEST_CASE("arm64 accesses: what touches no data, and what is not decoded") {
  const std::pair<std::uint32_t, const char*> none[] = {
      {0xd503201f, "nop"},
      {0xf9800040, "prfm pldl1keep, [x2]"},
      {0xd8000000, "prfm pldl1keep, 0"},
      {0xd9200841, "stg x1, [x2]"},
      {0xd9600041, "ldg x1, [x2]"},
      {0x8b030041, "add x1, x2, x3"},
      {0x14000000, "b ."},
      {0xd61f0040, "br x2"},
      {0xd53b4221, "mrs x1, daif"},
      {0xd50b7e22, "dc civac, x2"},
      {0x85034041, "ld1w {z1.s}, p0/z, [x2, z3.s, uxtw]"},
      {0x19020461, "cpyfp [x1]!, [x2]!, x3!"},
      {0x4e23cc41, "fmla v1.4s, v2.4s, v3.4s"},
      {0xd5033f5f, "clrex"},
      {0xd5033fbf, "dmb sy"},
      {0xd65f03c0, "ret"},
  };
  for (const auto& [word, text] : none) {
    INFO(text);
    CHECK_FALSE(decode_memory(word, vector_bytes));
  }
}

TEST_CASE("arm64 accesses: an index is extended and shifted as the instruction says") {
  Arm64Rig rig([] {
    HostFacts facts = test::arm64_works();
    facts.sve_bytes = vector_bytes;
    return facts;
  }());
  rig.set(reg::x(2), 0x10);
  rig.set(reg::x(3), 0x8765432180000001);
  constexpr std::uint64_t index = 0x8765432180000001;
  const struct {
    std::uint32_t word;
    const char* text;
    std::uint64_t address;
  } indexed[] = {
      {0xf8636841, "ldr x1, [x2, x3]", 0x10 + index},
      {0xf8637841, "ldr x1, [x2, x3, lsl #3]", 0x10 + (index << 3)},
      {0xb8234841, "str w1, [x2, w3, uxtw]", 0x10 + 0x80000001},
      {0xb823d841, "str w1, [x2, w3, sxtw #2]", 0x10 + (0xffffffff80000001ull << 2)},
      {0x3863e841, "ldrb w1, [x2, x3, sxtx]", 0x10 + index},
      {0x3cff7841, "ldr q1, [x2, xzr, lsl #4]", 0x10},
      {0xa4a34041, "ld1h {z1.h}, p0/z, [x2, x3, lsl #1]", 0x10 + (index << 1)},
      {0xe5a36041, "st2d {z1.d, z2.d}, p0, [x2, x3, lsl #3]", 0x10 + (index << 3)},
  };
  for (const auto& each : indexed) {
    INFO(each.text);
    rig.kernel.put(Arm64Rig::entry, {each.word});
    auto accesses = rig.cpu->accesses();
    REQUIRE(accesses);
    REQUIRE((*accesses).size() == 1);
    CHECK((*accesses)[0].address == each.address);
  }
}

TEST_CASE("arm64 accesses: literals, the stack pointer, blocks to zero, signed pointers") {
  Arm64Rig rig;
  const auto at = [&](std::uint32_t word) {
    rig.kernel.put(Arm64Rig::entry, {word});
    rig.cpu->exited();
    auto accesses = rig.cpu->accesses();
    REQUIRE(accesses);
    REQUIRE((*accesses).size() == 1);
    return (*accesses)[0];
  };
  CHECK(at(0x58ffffe1).address == Arm64Rig::entry - 4);    // ldr x1, .-4
  CHECK(at(0x1cffffc1).length == 4);                       // ldr s1, .-8
  CHECK(at(0x98000201).address == Arm64Rig::entry + 0x40); // ldrsw x1, .+0x40
  rig.set(reg::sp_el1, 0x800);
  CHECK(at(0xf9400be1).address == 0x810); // ldr x1, [sp, #16]
  rig.set(reg::x(2), 0x2345);
  CHECK(at(0xd50b7422).address == 0x2340); // dc zva, x2
  rig.set(reg::x(2), 0x5a3f800000002000);
  CHECK(at(0xf8200441).address == 0x800000002000); // ldraa x1, [x2]
  rig.set(reg::x(2), 0x5abf800000002000);
  CHECK(at(0xf8200441).address == 0xffff800000002000);
  rig.set(reg::pstate, 0x10);
  rig.cpu->exited();
  CHECK((*rig.cpu->accesses()).empty()); // AArch32
  rig.set(reg::pstate, 5);
  rig.set(reg::pc, 0x20000);
  rig.cpu->exited();
  CHECK((*rig.cpu->accesses()).empty()); // no memory there
}
