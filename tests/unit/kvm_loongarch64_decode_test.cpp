// LoongArch instructions as an assembler writes them, against what they do to the pc and to memory.
#include "kvm/arch/loongarch64/decode.hpp"

#include <catch2/catch.hpp>

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::kvm::loongarch64;

TEST_CASE("loongarch64: every load and store by base, offset or index, and size") {
  struct Row {
    std::uint32_t word;
    Kind kind;
    unsigned base, index;
    std::int64_t offset;
    unsigned bytes;
    bool reads, writes;
  };
  constexpr Row rows[] = {
      {0x200004a4, Kind::load_linked, 5, 0, 4, 4, true, false},            // ll.w $a0, $a1, 4
      {0x22fff8a4, Kind::load_linked, 5, 0, -8, 8, true, false},           // ll.d $a0, $a1, -8
      {0x217ffca4, Kind::store_conditional, 5, 0, 32764, 4, false, true},  // sc.w $a0, $a1, 32764
      {0x238000a4, Kind::store_conditional, 5, 0, -32768, 8, false, true}, // sc.d $a0, $a1, -32768
      {0x240008a4, Kind::plain, 5, 0, 8, 4, true, false},                  // ldptr.w $a0, $a1, 8
      {0x26fffca4, Kind::plain, 5, 0, -4, 8, true, false},                 // ldptr.d $a0, $a1, -4
      {0x25000ca4, Kind::plain, 5, 0, 12, 4, false, true},                 // stptr.w $a0, $a1, 12
      {0x270010a4, Kind::plain, 5, 0, 16, 8, false, true},                 // stptr.d $a0, $a1, 16
      {0x283ffca4, Kind::plain, 5, 0, -1, 1, true, false},                 // ld.b $a0, $a1, -1
      {0x284008a4, Kind::plain, 5, 0, 2, 2, true, false},                  // ld.h $a0, $a1, 2
      {0x288010a4, Kind::plain, 5, 0, 4, 4, true, false},                  // ld.w $a0, $a1, 4
      {0x28dffca4, Kind::plain, 5, 0, 2047, 8, true, false},               // ld.d $a0, $a1, 2047
      {0x2a0004a4, Kind::plain, 5, 0, 1, 1, true, false},                  // ld.bu $a0, $a1, 1
      {0x2a4008a4, Kind::plain, 5, 0, 2, 2, true, false},                  // ld.hu $a0, $a1, 2
      {0x2a8010a4, Kind::plain, 5, 0, 4, 4, true, false},                  // ld.wu $a0, $a1, 4
      {0x292000a4, Kind::plain, 5, 0, -2048, 1, false, true},              // st.b $a0, $a1, -2048
      {0x294008a4, Kind::plain, 5, 0, 2, 2, false, true},                  // st.h $a0, $a1, 2
      {0x298010a4, Kind::plain, 5, 0, 4, 4, false, true},                  // st.w $a0, $a1, 4
      {0x29c020a4, Kind::plain, 5, 0, 8, 8, false, true},                  // st.d $a0, $a1, 8
      {0x2b0010a0, Kind::plain, 5, 0, 4, 4, true, false},                  // fld.s $fa0, $a1, 4
      {0x2b8020a0, Kind::plain, 5, 0, 8, 8, true, false},                  // fld.d $fa0, $a1, 8
      {0x2b7ff0a0, Kind::plain, 5, 0, -4, 4, false, true},                 // fst.s $fa0, $a1, -4
      {0x2bffe0a0, Kind::plain, 5, 0, -8, 8, false, true},                 // fst.d $fa0, $a1, -8
      {0x2c0040a0, Kind::plain, 5, 0, 16, 16, true, false},                // vld $vr0, $a1, 16
      {0x2c7fc0a0, Kind::plain, 5, 0, -16, 16, false, true},               // vst $vr0, $a1, -16
      {0x2c8080a0, Kind::plain, 5, 0, 32, 32, true, false},                // xvld $xr0, $a1, 32
      {0x2cff80a0, Kind::plain, 5, 0, -32, 32, false, true},               // xvst $xr0, $a1, -32
      {0x30bffca0, Kind::plain, 5, 0, -1, 1, true, false},             // vldrepl.b $vr0, $a1, -1
      {0x305ffca0, Kind::plain, 5, 0, -2, 2, true, false},             // vldrepl.h $vr0, $a1, -2
      {0x302004a0, Kind::plain, 5, 0, 4, 4, true, false},              // vldrepl.w $vr0, $a1, 4
      {0x3017fca0, Kind::plain, 5, 0, -8, 8, true, false},             // vldrepl.d $vr0, $a1, -8
      {0x328004a0, Kind::plain, 5, 0, 1, 1, true, false},              // xvldrepl.b $xr0, $a1, 1
      {0x324004a0, Kind::plain, 5, 0, 2, 2, true, false},              // xvldrepl.h $xr0, $a1, 2
      {0x322ffca0, Kind::plain, 5, 0, -4, 4, true, false},             // xvldrepl.w $xr0, $a1, -4
      {0x321004a0, Kind::plain, 5, 0, 8, 8, true, false},              // xvldrepl.d $xr0, $a1, 8
      {0x31bffca0, Kind::plain, 5, 0, -1, 1, false, true},             // vstelm.b $vr0, $a1, -1, 15
      {0x315ffca0, Kind::plain, 5, 0, -2, 2, false, true},             // vstelm.h $vr0, $a1, -2, 7
      {0x312c04a0, Kind::plain, 5, 0, 4, 4, false, true},              // vstelm.w $vr0, $a1, 4, 3
      {0x3117fca0, Kind::plain, 5, 0, -8, 8, false, true},             // vstelm.d $vr0, $a1, -8, 1
      {0x33fc04a0, Kind::plain, 5, 0, 1, 1, false, true},              // xvstelm.b $xr0, $a1, 1, 31
      {0x337c04a0, Kind::plain, 5, 0, 2, 2, false, true},              // xvstelm.h $xr0, $a1, 2, 15
      {0x333ffca0, Kind::plain, 5, 0, -4, 4, false, true},             // xvstelm.w $xr0, $a1, -4, 7
      {0x331c04a0, Kind::plain, 5, 0, 8, 8, false, true},              // xvstelm.d $xr0, $a1, 8, 3
      {0x380018a4, Kind::plain, 5, 6, 0, 1, true, false},              // ldx.b $a0, $a1, $a2
      {0x380418a4, Kind::plain, 5, 6, 0, 2, true, false},              // ldx.h $a0, $a1, $a2
      {0x380818a4, Kind::plain, 5, 6, 0, 4, true, false},              // ldx.w $a0, $a1, $a2
      {0x380c18a4, Kind::plain, 5, 6, 0, 8, true, false},              // ldx.d $a0, $a1, $a2
      {0x382018a4, Kind::plain, 5, 6, 0, 1, true, false},              // ldx.bu $a0, $a1, $a2
      {0x382418a4, Kind::plain, 5, 6, 0, 2, true, false},              // ldx.hu $a0, $a1, $a2
      {0x382818a4, Kind::plain, 5, 6, 0, 4, true, false},              // ldx.wu $a0, $a1, $a2
      {0x381018a4, Kind::plain, 5, 6, 0, 1, false, true},              // stx.b $a0, $a1, $a2
      {0x381418a4, Kind::plain, 5, 6, 0, 2, false, true},              // stx.h $a0, $a1, $a2
      {0x381818a4, Kind::plain, 5, 6, 0, 4, false, true},              // stx.w $a0, $a1, $a2
      {0x381c18a4, Kind::plain, 5, 6, 0, 8, false, true},              // stx.d $a0, $a1, $a2
      {0x383018a0, Kind::plain, 5, 6, 0, 4, true, false},              // fldx.s $fa0, $a1, $a2
      {0x383418a0, Kind::plain, 5, 6, 0, 8, true, false},              // fldx.d $fa0, $a1, $a2
      {0x383818a0, Kind::plain, 5, 6, 0, 4, false, true},              // fstx.s $fa0, $a1, $a2
      {0x383c18a0, Kind::plain, 5, 6, 0, 8, false, true},              // fstx.d $fa0, $a1, $a2
      {0x384018a0, Kind::plain, 5, 6, 0, 16, true, false},             // vldx $vr0, $a1, $a2
      {0x384418a0, Kind::plain, 5, 6, 0, 16, false, true},             // vstx $vr0, $a1, $a2
      {0x384818a0, Kind::plain, 5, 6, 0, 32, true, false},             // xvldx $xr0, $a1, $a2
      {0x384c18a0, Kind::plain, 5, 6, 0, 32, false, true},             // xvstx $xr0, $a1, $a2
      {0x386018a4, Kind::plain, 5, 0, 0, 4, true, true},               // amswap.w $a0, $a2, $a1
      {0x386098a4, Kind::plain, 5, 0, 0, 8, true, true},               // amswap.d $a0, $a2, $a1
      {0x386118a4, Kind::plain, 5, 0, 0, 4, true, true},               // amadd.w $a0, $a2, $a1
      {0x386198a4, Kind::plain, 5, 0, 0, 8, true, true},               // amadd.d $a0, $a2, $a1
      {0x386898a4, Kind::plain, 5, 0, 0, 8, true, true},               // ammin.du $a0, $a2, $a1
      {0x387118a4, Kind::plain, 5, 0, 0, 4, true, true},               // ammin_db.wu $a0, $a2, $a1
      {0x387198a4, Kind::plain, 5, 0, 0, 8, true, true},               // ammin_db.du $a0, $a2, $a1
      {0x386918a4, Kind::plain, 5, 0, 0, 4, true, true},               // amswap_db.w $a0, $a2, $a1
      {0x387818a4, Kind::plain, 5, 0, 0, 1, true, false},              // ldgt.b $a0, $a1, $a2
      {0x387898a4, Kind::plain, 5, 0, 0, 2, true, false},              // ldgt.h $a0, $a1, $a2
      {0x387b18a4, Kind::plain, 5, 0, 0, 4, true, false},              // ldle.w $a0, $a1, $a2
      {0x387b98a4, Kind::plain, 5, 0, 0, 8, true, false},              // ldle.d $a0, $a1, $a2
      {0x387c18a4, Kind::plain, 5, 0, 0, 1, false, true},              // stgt.b $a0, $a1, $a2
      {0x387d98a4, Kind::plain, 5, 0, 0, 8, false, true},              // stgt.d $a0, $a1, $a2
      {0x387e98a4, Kind::plain, 5, 0, 0, 2, false, true},              // stle.h $a0, $a1, $a2
      {0x387f18a4, Kind::plain, 5, 0, 0, 4, false, true},              // stle.w $a0, $a1, $a2
      {0x387418a0, Kind::plain, 5, 0, 0, 4, true, false},              // fldgt.s $fa0, $a1, $a2
      {0x387598a0, Kind::plain, 5, 0, 0, 8, true, false},              // fldle.d $fa0, $a1, $a2
      {0x387698a0, Kind::plain, 5, 0, 0, 8, false, true},              // fstgt.d $fa0, $a1, $a2
      {0x387718a0, Kind::plain, 5, 0, 0, 4, false, true},              // fstle.s $fa0, $a1, $a2
      {0x385718a4, Kind::store_conditional, 5, 0, 0, 16, false, true}, // sc.q $a0, $a2, $a1
      {0x385780a4, Kind::load_linked, 5, 0, 0, 4, true, false},        // llacq.w $a0, $a1
      {0x385788a4, Kind::load_linked, 5, 0, 0, 8, true, false},        // llacq.d $a0, $a1
      {0x385784a4, Kind::store_conditional, 5, 0, 0, 4, false, true},  // screl.w $a0, $a1
      {0x38578ca4, Kind::store_conditional, 5, 0, 0, 8, false, true},  // screl.d $a0, $a1
      {0x385818a4, Kind::plain, 5, 0, 0, 1, true, true},               // amcas.b $a0, $a2, $a1
      {0x385998a4, Kind::plain, 5, 0, 0, 8, true, true},               // amcas.d $a0, $a2, $a1
      {0x385b18a4, Kind::plain, 5, 0, 0, 4, true, true},               // amcas_db.w $a0, $a2, $a1
      {0x385c18a4, Kind::plain, 5, 0, 0, 1, true, true},               // amswap.b $a0, $a2, $a1
      {0x385d98a4, Kind::plain, 5, 0, 0, 2, true, true},               // amadd.h $a0, $a2, $a1
      {0x385f18a4, Kind::plain, 5, 0, 0, 1, true, true},               // amadd_db.b $a0, $a2, $a1
      {0x385e98a4, Kind::plain, 5, 0, 0, 2, true, true},               // amswap_db.h $a0, $a2, $a1
  };
  for (const Row& row : rows) {
    INFO(std::hex << row.word);
    const Instruction found = decode(row.word);
    CHECK(found.kind == row.kind);
    CHECK(unsigned{found.rj} == row.base);
    CHECK(unsigned{found.rk} == row.index);
    CHECK(found.indexed == (row.index != 0));
    CHECK(found.offset == row.offset);
    CHECK(unsigned{found.bytes} == row.bytes);
    CHECK(found.reads == row.reads);
    CHECK(found.writes == row.writes);
  }
}

TEST_CASE("80 loongarch64: every jump, branch and trap by kind, registers and offset") {
  struct Row {
    std::uint32_t word;
    Kind kind;
    unsigned rd, rj, condition;
    std::int64_t offset;
  };
  constexpr Row rows[] = {
      {0x59fffc85, Kind::branch, 5, 4, 0, 131068},        // beq $a0, $a1, 131068
      {0x5e000085, Kind::branch, 5, 4, 1, -131072},       // bne $a0, $a1, -131072
      {0x60000885, Kind::branch, 5, 4, 2, 8},             // blt $a0, $a1, 8
      {0x67fff885, Kind::branch, 5, 4, 3, -8},            // bge $a0, $a1, -8
      {0x68001085, Kind::branch, 5, 4, 4, 16},            // bltu $a0, $a1, 16
      {0x6ffff085, Kind::branch, 5, 4, 5, -16},           // bgeu $a0, $a1, -16
      {0x43fffcaf, Kind::branch_zero, 0, 5, 0, 4194300},  // beqz $a1, 4194300
      {0x440000b0, Kind::branch_zero, 0, 5, 1, -4194304}, // bnez $a1, -4194304
      {0x48000860, Kind::branch_condition, 0, 3, 0, 8},   // bceqz $fcc3, 8
      {0x4bfff9ff, Kind::branch_condition, 0, 7, 1, -8},  // bcnez $fcc7, -8
      {0x53fffdff, Kind::jump, 0, 0, 0, 134217724},       // b 134217724
      {0x50000200, Kind::jump, 0, 0, 0, -134217728},      // b -134217728
      {0x54000400, Kind::jump, 1, 0, 0, 4},               // bl 4
      {0x4ffffca1, Kind::jump_register, 1, 5, 0, -4},     // jirl $ra, $a1, -4
      {0x4c000020, Kind::jump_register, 0, 1, 0, 0},      // ret
      {0x002b0005, Kind::system_call, 0, 0, 0, 0},        // syscall 5
      {0x002a0007, Kind::breakpoint, 0, 0, 0, 0},         // break 7
      {0x06483800, Kind::ertn, 0, 0, 0, 0},               // ertn
      {0x06488003, Kind::idle, 0, 0, 0, 0},               // idle 3
      {0x002b8101, Kind::hypercall, 0, 0, 0, 0},
  };
  for (const Row& row : rows) {
    INFO(std::hex << row.word);
    const Instruction found = decode(row.word);
    CHECK(found.kind == row.kind);
    CHECK(unsigned{found.rd} == row.rd);
    CHECK(unsigned{found.rj} == row.rj);
    CHECK(unsigned{found.condition} == row.condition);
    CHECK(found.offset == row.offset);
    CHECK(found.bytes == 0);
  }
}

TEST_CASE("loongarch64: anything else goes on to the next instruction and touches no memory") {
  for (const std::uint32_t word :
       {0x001098a4, 0x2ac020a0, 0x382c18a0, 0x38720000, 0x38728000, 0x01010820, 0x04001424,
        0x06482c00, 0x064008a4, 0x06440480, 0x064808a4, 0x06481ca4, 0x060010a0, 0x000068a4,
        0x08218820, 0x140000a4, 0x1e0000a4, 0x002a8004}) {
    INFO(std::hex << word);
    const Instruction found = decode(word);
    CHECK(found.kind == Kind::plain);
    CHECK(found.bytes == 0);
    CHECK_FALSE(found.reads);
    CHECK_FALSE(found.writes);
  }
}

TEST_CASE("80 loongarch64: what a scan of a sequence sees") {
  constexpr std::uint32_t ours = 0x002b8101;
  const auto shape = [&](std::uint32_t word) {
    return shape_of(std::as_bytes(std::span(&word, 1)), 0x1000, ours);
  };
  CHECK(shape(ours).flow == Flow::breakpoint);
  CHECK(shape(0x002b8100).flow == Flow::away);
  CHECK(shape(0x002b0000).flow == Flow::away);
  CHECK(shape(0x5c000885).flow == Flow::branch); // bne $a0, $a1, 8
  CHECK(shape(0x5c000885).target == 0x1008);
  CHECK(shape(0x50001000).flow == Flow::jump); // b 16
  CHECK(shape(0x50001000).target == 0x1010);
  CHECK(shape(0x23fff8a4).flow == Flow::conditional);
  CHECK(shape(0x02c00484).flow == Flow::on);
  CHECK(shape_of({}, 0x1000, ours).length == 0);
}
