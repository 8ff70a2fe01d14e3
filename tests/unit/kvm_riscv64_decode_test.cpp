// RISC-V instructions as an assembler writes them, against what they do to the pc and to memory.
#include "kvm/arch/riscv64/decode.hpp"

#include <catch2/catch.hpp>

#include <cstring>

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::kvm::riscv64;

namespace {

Instruction decoded(std::uint32_t word) {
  return decode(std::as_bytes(std::span(&word, 1)));
}
unsigned length_of(std::uint32_t word) {
  return (word & 3) == 3 ? 4 : 2;
}

} // namespace

TEST_CASE("riscv64: every load and store by base, offset and size") {
  struct Row {
    std::uint32_t word;
    unsigned base;
    std::int64_t offset;
    unsigned bytes;
    bool reads, writes;
  };
  constexpr Row rows[] = {
      {0xfff58503, 11, -1, 1, true, false},    // lb a0, -1(a1)
      {0x0025d503, 11, 2, 2, true, false},     // lhu a0, 2(a1)
      {0x0045e503, 11, 4, 4, true, false},     // lwu a0, 4(a1)
      {0x7ff5b503, 11, 2047, 8, true, false},  // ld a0, 2047(a1)
      {0x80a58023, 11, -2048, 1, false, true}, // sb a0, -2048(a1)
      {0x00a59123, 11, 2, 2, false, true},     // sh a0, 2(a1)
      {0xc1c8, 11, 4, 4, false, true},         // sw a0, 4(a1)
      {0xfea5bc23, 11, -8, 8, false, true},    // sd a0, -8(a1)
      {0x0045a007, 11, 4, 4, true, false},     // flw ft0, 4(a1)
      {0x0085b007, 11, 8, 8, true, false},     // fld ft0, 8(a1)
      {0xfe05ae27, 11, -4, 4, false, true},    // fsw ft0, -4(a1)
      {0x0005b827, 11, 16, 8, false, true},    // fsd ft0, 16(a1)
      {0x1005a52f, 11, 0, 4, true, false},     // lr.w a0, (a1)
      {0x1405b52f, 11, 0, 8, true, false},     // lr.d.aq a0, (a1)
      {0x18c5a52f, 11, 0, 4, false, true},     // sc.w a0, a2, (a1)
      {0x1ac5b52f, 11, 0, 8, false, true},     // sc.d.rl a0, a2, (a1)
      {0x08c5a52f, 11, 0, 4, true, true},      // amoswap.w a0, a2, (a1)
      {0x00c5b52f, 11, 0, 8, true, true},      // amoadd.d a0, a2, (a1)
      {0xe6c5b52f, 11, 0, 8, true, true},      // amomaxu.d.aqrl a0, a2, (a1)
      {0x41c8, 11, 4, 4, true, false},         // lw a0, 4(a1)
      {0x5de8, 11, 124, 4, true, false},       // lw a0, 124(a1)
      {0x7de8, 11, 248, 8, true, false},       // ld a0, 248(a1)
      {0xc1a8, 11, 64, 4, false, true},        // sw a0, 64(a1)
      {0xe588, 11, 8, 8, false, true},         // sd a0, 8(a1)
      {0x2988, 11, 16, 8, true, false},        // fld fa0, 16(a1)
      {0xad88, 11, 24, 8, false, true},        // fsd fa0, 24(a1)
      {0x557e, 2, 252, 4, true, false},        // lw a0, 252(sp)
      {0x757e, 2, 504, 8, true, false},        // ld a0, 504(sp)
      {0xdfaa, 2, 252, 4, false, true},        // sw a0, 252(sp)
      {0xffaa, 2, 504, 8, false, true},        // sd a0, 504(sp)
      {0x2522, 2, 8, 8, true, false},          // fld fa0, 8(sp)
      {0xa82a, 2, 16, 8, false, true},         // fsd fa0, 16(sp)
  };
  for (const Row& row : rows) {
    INFO(std::hex << row.word);
    const Instruction found = decoded(row.word);
    CHECK(found.length == length_of(row.word));
    CHECK(unsigned{found.rs1} == row.base);
    CHECK(found.offset == row.offset);
    CHECK(unsigned{found.bytes} == row.bytes);
    CHECK(found.reads == row.reads);
    CHECK(found.writes == row.writes);
  }
}

TEST_CASE("80 riscv64: every jump and branch by kind, link and offset") {
  struct Row {
    std::uint32_t word;
    Kind kind;
    unsigned link, base;
    std::int64_t offset;
  };
  constexpr Row rows[] = {
      {0x7eb50f63, Kind::branch, 0, 10, 2046},  // beq a0, a1, 2046
      {0x80b50063, Kind::branch, 0, 10, -4096}, // beq a0, a1, -4096
      {0x7eb51fe3, Kind::branch, 0, 10, 4094},  // bne a0, a1, 4094
      {0x00b54463, Kind::branch, 0, 10, 8},     // blt a0, a1, 8
      {0xfeb55ce3, Kind::branch, 0, 10, -8},    // bge a0, a1, -8
      {0x00b56863, Kind::branch, 0, 10, 16},    // bltu a0, a1, 16
      {0xfeb578e3, Kind::branch, 0, 10, -16},   // bgeu a0, a1, -16
      {0x7ffff0ef, Kind::jal, 1, 0, 1048574},   // jal 1048574
      {0x8000006f, Kind::jal, 0, 0, -1048576},  // j -1048576
      {0x001002ef, Kind::jal, 5, 0, 2048},      // jal t0, 2048
      {0xffb580e7, Kind::jalr, 1, 11, -5},      // jalr -5(a1)
      {0x7ff28067, Kind::jalr, 0, 5, 2047},     // jr 2047(t0)
      {0xaffd, Kind::jal, 0, 0, 2046},          // j 2046
      {0xb001, Kind::jal, 0, 0, -2048},         // j -2048
      {0xcd7d, Kind::branch, 0, 10, 254},       // beqz a0, 254
      {0xf181, Kind::branch, 0, 11, -256},      // bnez a1, -256
      {0x8282, Kind::jalr, 0, 5, 0},            // jr t0
      {0x9502, Kind::jalr, 1, 10, 0},           // jalr a0
      {0x9002, Kind::ebreak, 0, 0, 0},          // ebreak
      {0x00000073, Kind::ecall, 0, 0, 0},       // ecall
      {0x9002, Kind::ebreak, 0, 0, 0},          // ebreak
      {0x10200073, Kind::sret, 0, 0, 0},        // sret
      {0x10500073, Kind::wfi, 0, 0, 0},         // wfi
  };
  for (const Row& row : rows) {
    INFO(std::hex << row.word);
    const Instruction found = decoded(row.word);
    CHECK(found.kind == row.kind);
    CHECK(found.length == length_of(row.word));
    CHECK(found.bytes == 0);
    CHECK(unsigned{found.rd} == row.link);
    CHECK(unsigned{found.rs1} == row.base);
    CHECK(found.offset == row.offset);
  }
}

TEST_CASE("riscv64: anything else goes on to the next instruction") {
  for (const std::uint32_t word : {0x852e, 0x952e, 0x0505, 0x6505, 0x6141, 0x0028, 0x30200073,
                                   0x0000100f, 0x10059573, 0x0220f053}) {
    INFO(std::hex << word);
    const Instruction found = decoded(word);
    CHECK(found.kind == Kind::plain);
    CHECK(found.bytes == 0);
    CHECK(found.length == length_of(word));
  }
  constexpr std::uint32_t vector_load =
      0x02056007; // vle32.v v0, (a0): its bytes are not known here
  CHECK(decoded(vector_load).bytes == 0);
}

TEST_CASE("80 riscv64: each condition, taken and not") {
  constexpr auto minus = ~std::uint64_t{0};
  struct Row {
    std::uint8_t condition;
    std::uint64_t left, right;
    bool taken;
  };
  constexpr Row rows[] = {{0, 5, 5, true},      {0, 5, 6, false},    {1, 5, 6, true},
                          {1, 5, 5, false},     {4, minus, 1, true}, {4, 1, minus, false},
                          {4, 1, 1, false},     {5, 1, minus, true}, {5, 1, 1, true},
                          {5, minus, 1, false}, {6, 1, minus, true}, {6, minus, 1, false},
                          {7, minus, 1, true},  {7, 1, 1, true},     {7, 1, minus, false}};
  for (const Row& row : rows) {
    INFO(int{row.condition} << ": " << row.left << ", " << row.right);
    CHECK(taken(row.condition, row.left, row.right) == row.taken);
  }
}

TEST_CASE("riscv64: an instruction that is not there whole has no length") {
  constexpr std::byte half[] = {std::byte{0x13}, std::byte{0x05}};
  CHECK(decode({}).length == 0);
  CHECK(decode(ByteView(half).first(1)).length == 0);
  CHECK(decode(half).length == 0);
  CHECK(shape_of(half, 0x1000).length == 0);
}

TEST_CASE("80 run_through: ends of a sequence, and what is none") {
  constexpr std::uint32_t lr = 0x1005b2af, sc = 0x18a5b32f, nop = 0x13, jump_out = 0x1000006f,
                          jump_on = 0x0080006f, indirect = 0x00008067, ebreak = 0x00100073,
                          branches[] = {0x10c29063, 0x20c29063, 0x30c29063, 0x40c29063};
  const auto plan = [](std::vector<std::uint32_t> words) {
    return run_through(0x1000, std::as_bytes(std::span(words)), shape_of);
  };
  CHECK_FALSE(plan({lr, nop, nop}));
  CHECK_FALSE(plan({lr, indirect, sc}));
  const auto straight = plan({lr, nop, sc});
  REQUIRE(straight);
  CHECK(straight->ends[0] == 0x100c);
  CHECK_FALSE(straight->ends[1]);
  const auto with_exit = plan({lr, jump_out, sc});
  REQUIRE(with_exit);
  CHECK(with_exit->ends[0] == 0x100c);
  CHECK(with_exit->ends[1] == 0x1104);
  const auto inside = plan({lr, jump_on, nop, sc});
  REQUIRE(inside);
  CHECK_FALSE(inside->ends[1]);
  const auto stopped = plan({lr, ebreak, sc});
  REQUIRE(stopped);
  CHECK(stopped->ends[0] == 0x1004);
  CHECK(plan({lr, branches[0], branches[1], branches[2], sc}));
  CHECK_FALSE(plan({lr, branches[0], branches[1], branches[2], branches[3], sc}));
}
