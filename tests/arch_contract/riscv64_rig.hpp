#pragma once
/// RISC-V vCPUs over a scripted KVM: an assembler of a few instructions, one Cpu, and the engine.
#include "kvm/arch/riscv64/arch.hpp"
#include "kvm/arch/riscv64/probe.hpp"
#include "tests/fakes/engine_rig.hpp"
#include "tests/fakes/scripted_loop_vmm.hpp"
#include "tests/fakes/scripted_riscv_kernel.hpp"

#include <catch2/catch.hpp>

namespace kdbg::test::rv {

using Word = std::uint32_t;
inline constexpr unsigned zero = 0, ra = 1, sp = 2, t0 = 5, t1 = 6, a0 = 10, a1 = 11, a2 = 12;

constexpr Word i_type(Word opcode, unsigned kind, unsigned rd, unsigned rs1, int imm) {
  return opcode | rd << 7 | kind << 12 | rs1 << 15 | static_cast<Word>(imm) << 20;
}
constexpr Word
r_type(Word opcode, unsigned kind, unsigned rd, unsigned rs1, unsigned rs2, Word top) {
  return opcode | rd << 7 | kind << 12 | rs1 << 15 | rs2 << 20 | top << 25;
}
constexpr Word addi(unsigned rd, unsigned rs1, int imm) {
  return i_type(0x13, 0, rd, rs1, imm);
}
constexpr Word nop = addi(0, 0, 0);
constexpr Word ld(unsigned rd, int offset, unsigned rs1) {
  return i_type(0x03, 3, rd, rs1, offset);
}
constexpr Word sd(unsigned rs2, int offset, unsigned rs1) {
  const auto imm = static_cast<Word>(offset);
  return 0x23 | (imm & 31) << 7 | 3u << 12 | rs1 << 15 | rs2 << 20 | (imm >> 5 & 127) << 25;
}
constexpr Word branch(unsigned kind, unsigned rs1, unsigned rs2, int offset) {
  const auto imm = static_cast<Word>(offset);
  return 0x63 | (imm >> 11 & 1) << 7 | (imm >> 1 & 15) << 8 | kind << 12 | rs1 << 15 | rs2 << 20 |
         (imm >> 5 & 63) << 25 | (imm >> 12 & 1) << 31;
}
constexpr Word beq(unsigned rs1, unsigned rs2, int offset) {
  return branch(0, rs1, rs2, offset);
}
constexpr Word bne(unsigned rs1, unsigned rs2, int offset) {
  return branch(1, rs1, rs2, offset);
}
constexpr Word jal(unsigned rd, int offset) {
  const auto imm = static_cast<Word>(offset);
  return 0x6f | rd << 7 | (imm >> 12 & 255) << 12 | (imm >> 11 & 1) << 20 |
         (imm >> 1 & 1023) << 21 | (imm >> 20 & 1) << 31;
}
constexpr Word jalr(unsigned rd, int offset, unsigned rs1) {
  return i_type(0x67, 0, rd, rs1, offset);
}
constexpr Word lr_d(unsigned rd, unsigned rs1) {
  return r_type(0x2f, 3, rd, rs1, 0, 2u << 2);
}
constexpr Word sc_d(unsigned rd, unsigned rs2, unsigned rs1) {
  return r_type(0x2f, 3, rd, rs1, rs2, 3u << 2);
}
constexpr Word amoadd_d(unsigned rd, unsigned rs2, unsigned rs1) {
  return r_type(0x2f, 3, rd, rs1, rs2, 0);
}
inline constexpr Word ecall = 0x00000073, ebreak = 0x00100073, sret = 0x10200073, wfi = 0x10500073;
inline constexpr std::uint16_t c_ebreak = 0x9002, c_nop = 0x0001;

inline kvm::HostFacts facts() {
  kvm::HostFacts out;
  out.guest_debug = out.breakpoint_exit = out.soft_step = true;
  return out;
}

struct Traits {
  using Kernel = ScriptedRiscvKernel;
  static std::unique_ptr<const kvm::Arch> make() { return kvm::make_riscv64(facts()); }
  static kvm::HostFacts host() { return facts(); }
};
using Rig = EngineRig<Traits>;

} // namespace kdbg::test::rv
