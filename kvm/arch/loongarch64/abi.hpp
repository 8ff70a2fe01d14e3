#pragma once
/// KVM's LoongArch structures, ioctl numbers and register ids, mirrored so that this folder
/// compiles on any host (Linux arch/loongarch/include/uapi/asm/kvm.h). Checked against the real
/// header on LoongArch. KVM_SET_GUEST_DEBUG is in kvm/soft_cpu.hpp.
#include <cstddef>
#include <cstdint>

namespace kdbg::kvm::loongarch64 {

struct Regs {
  std::uint64_t gpr[32], pc;
};
struct Fpu {
  std::uint32_t fcsr, pad;
  std::uint64_t fcc;        ///< a byte for each
  std::uint64_t fpr[32][4]; ///< 256 bits; a double, or LSX's 128, are the first of them
};
static_assert(sizeof(Regs) == 264 && sizeof(Fpu) == 1040 && offsetof(Fpu, fpr) == 16);

// The size of the structure is part of an ioctl's number.
inline constexpr unsigned long get_regs = 0x8108ae81, set_regs = 0x4108ae82;
inline constexpr unsigned long get_fpu = 0x8410ae8c, set_fpu = 0x4410ae8d;

// KVM_GET_ONE_REG ids: architecture, size, type, number. KVM has no single general or
// floating-point registers; their ids here are for our own cache.
inline constexpr std::uint64_t reg_u64 = 0x9030000000000000;
inline constexpr std::uint64_t type_mask = 0x70000, type_csr = 0x10000, type_kvm = 0x20000,
                               type_fpu = 0x30000;
constexpr std::uint64_t gpr(unsigned n) {
  return reg_u64 | n;
}
inline constexpr std::uint64_t pc_id = reg_u64 | 32;
constexpr std::uint64_t fpr(unsigned n) {
  return reg_u64 | type_fpu | n;
}
inline constexpr std::uint64_t fcc_id = reg_u64 | type_fpu | 32, fcsr_id = reg_u64 | type_fpu | 33;
/// Which instruction exits as a breakpoint: a hypercall, whose code KVM chooses.
inline constexpr std::uint64_t debug_instruction = reg_u64 | type_kvm | 3;

/// Control and status registers by number (LoongArch reference manual vol. 1, table 7-1).
enum class Csr : std::uint16_t {
  crmd = 0x0,
  prmd = 0x1,
  euen = 0x2,
  misc = 0x3,
  ecfg = 0x4,
  estat = 0x5,
  era = 0x6,
  badv = 0x7,
  badi = 0x8,
  eentry = 0xc,
  tlbidx = 0x10,
  tlbehi = 0x11,
  tlbelo0 = 0x12,
  tlbelo1 = 0x13,
  asid = 0x18,
  pgdl = 0x19,
  pgdh = 0x1a,
  pwcl = 0x1c,
  pwch = 0x1d,
  stlbps = 0x1e,
  rvacfg = 0x1f,
  cpuid = 0x20,
  prcfg1 = 0x21,
  prcfg2 = 0x22,
  prcfg3 = 0x23,
  save0 = 0x30,
  tid = 0x40,
  tcfg = 0x41,
  tval = 0x42,
  cntc = 0x43,
  llbctl = 0x60,
  tlbrentry = 0x88,
  tlbrbadv = 0x89,
  tlbrera = 0x8a,
  tlbrsave = 0x8b,
  tlbrelo0 = 0x8c,
  tlbrelo1 = 0x8d,
  tlbrehi = 0x8e,
  tlbrprmd = 0x8f,
  dmw0 = 0x180
};
constexpr std::uint64_t csr(Csr which, unsigned after = 0) {
  return reg_u64 | type_csr | (static_cast<std::uint64_t>(which) + after) << 3;
}

// CRMD and PRMD (manual 7.4.1, 7.4.2): the saved privilege and interrupt bits stand as in CRMD.
inline constexpr std::uint64_t crmd_plv = 3, crmd_ie = 1u << 2, crmd_da = 1u << 3,
                               crmd_pg = 1u << 4, crmd_we = 1u << 9;
inline constexpr std::uint64_t prmd_mode = 7, prmd_pwe = 1u << 3, tlbrprmd_pwe = 1u << 4;
inline constexpr std::uint64_t tlbrera_is_refill = 1;

// Exception codes (manual, table 7-8).
inline constexpr std::uint64_t ecode_fetch_invalid = 0x3, ecode_system_call = 0xb,
                               ecode_breakpoint = 0xc, ecode_privilege = 0xe;

} // namespace kdbg::kvm::loongarch64
