#pragma once
/// LoongArch vCPUs over a scripted KVM: an assembler of a few instructions, and the engine.
#include "kvm/arch/loongarch64/arch.hpp"
#include "kvm/arch/loongarch64/probe.hpp"
#include "tests/fakes/engine_rig.hpp"
#include "tests/fakes/scripted_loongarch_kernel.hpp"

namespace kdbg::test::la {

using Word = std::uint32_t;
inline constexpr unsigned zero = 0, ra = 1, a0 = 4, a1 = 5, a2 = 6, t0 = 12, t1 = 13;

constexpr Word si12(Word operation, unsigned rd, unsigned rj, int imm) {
  return operation | rd | rj << 5 | (static_cast<Word>(imm) & 0xfff) << 10;
}
constexpr Word addi(unsigned rd, unsigned rj, int imm) {
  return si12(0x02c00000, rd, rj, imm);
}
inline constexpr Word nop = addi(0, 0, 0);
constexpr Word ld(unsigned rd, unsigned rj, int imm) {
  return si12(0x28c00000, rd, rj, imm);
}
constexpr Word st(unsigned rd, unsigned rj, int imm) {
  return si12(0x29c00000, rd, rj, imm);
}
constexpr Word ll(unsigned rd, unsigned rj) {
  return 0x22000000 | rd | rj << 5;
}
constexpr Word sc(unsigned rd, unsigned rj) {
  return 0x23000000 | rd | rj << 5;
}
constexpr Word amadd(unsigned rd, unsigned rk, unsigned rj) {
  return 0x38618000 | rd | rj << 5 | rk << 10;
}
/// beq 0x16 to bgeu 0x1b, jirl 0x13; offsets in bytes.
constexpr Word branch(Word operation, unsigned rj, unsigned rd, int offset) {
  return operation << 26 | rd | rj << 5 | (static_cast<Word>(offset / 4) & 0xffff) << 10;
}
/// beqz 0x10, bnez 0x11, and on a flag 0x12: its number, plus 8 for "set".
constexpr Word branch_zero(Word operation, unsigned rj, int offset) {
  const auto units = static_cast<Word>(offset / 4);
  return operation << 26 | rj << 5 | (units & 0xffff) << 10 | (units >> 16 & 31);
}
/// b 0x14, bl 0x15
constexpr Word jump(Word operation, int offset) {
  const auto units = static_cast<Word>(offset / 4);
  return operation << 26 | (units & 0xffff) << 10 | (units >> 16 & 1023);
}
inline constexpr Word beq = 0x16, bne = 0x17, jirl = 0x13, b = 0x14, bl = 0x15;
inline constexpr Word ertn = 0x06483800, idle = 0x06488000, own_syscall = 0x002b0000,
                      own_break = 0x002a0000, hvcl = 0x002b8000;

inline kvm::HostFacts facts() {
  kvm::HostFacts out;
  out.guest_debug = out.breakpoint_exit = out.soft_step = true;
  out.breakpoint_word = hvcl | 0x101;
  return out;
}

struct Traits {
  using Kernel = ScriptedLoongArchKernel;
  static std::unique_ptr<const kvm::Arch> make() { return kvm::make_loongarch64(facts()); }
  static kvm::HostFacts host() { return facts(); }
};
using Rig = EngineRig<Traits>;

} // namespace kdbg::test::la
