#pragma once
/// KVM's arm64 structures, ioctl numbers and ONE_REG ids, mirrored so that this folder compiles on
/// any host (Linux arch/arm64/include/uapi/asm/kvm.h). Checked against the real header on arm64.
#include <array>
#include <cstddef>
#include <cstdint>

namespace kdbg::kvm::arm64 {

inline constexpr unsigned most_pairs = 16; // KVM_ARM_MAX_DBG_REGS

struct GuestDebug {
  std::uint32_t control, pad;
  std::array<std::uint64_t, most_pairs> bcr, bvr, wcr, wvr;
  bool operator==(const GuestDebug&) const = default;
};

struct DebugExit {
  std::uint32_t hsr, hsr_high;
  std::uint64_t far;
};

struct OneReg {
  std::uint64_t id, address;
};

struct VcpuInit {
  std::uint32_t target, features[7];
};

static_assert(sizeof(GuestDebug) == 8 + 512 && sizeof(DebugExit) == 16);
static_assert(sizeof(OneReg) == 16 && sizeof(VcpuInit) == 32);

// ioctl numbers: the size of the structure is part of them, so the host's macros are no use
// elsewhere.
inline constexpr unsigned long set_guest_debug = 0x4208ae9b;
inline constexpr unsigned long get_one_reg = 0x4010aeab, set_one_reg = 0x4010aeac;
inline constexpr unsigned long vcpu_init = 0x4020aeae, preferred_target = 0x8020aeaf;
inline constexpr unsigned long vcpu_finalize = 0x4004aec2;

// capabilities
inline constexpr unsigned long cap_guest_debug = 23, cap_guest_debug2 = 195, cap_exec_slots = 119,
                               cap_watch_slots = 120, cap_ipa_size = 165, cap_sve = 170;
inline constexpr std::uint32_t feature_sve = 4; // bit of VcpuInit::features[0]; for vcpu_finalize

// kvm_guest_debug.control
inline constexpr std::uint32_t debug_enable = 1u << 0, debug_single_step = 1u << 1;
inline constexpr std::uint32_t debug_use_sw_bp = 1u << 16, debug_use_hw = 1u << 17;

/// kvm_run.flags: DebugExit::hsr_high is valid.
inline constexpr std::uint16_t run_hsr_high = 1;
// kvm_mp_state
inline constexpr std::uint32_t mp_stopped = 5, mp_suspended = 10;

/// ONE_REG ids: architecture, size and kind in the high bits (Documentation/virt/kvm/api.rst 4.68).
inline constexpr std::uint64_t reg_arm64 = 0x6000000000000000;
constexpr std::uint64_t sized(unsigned bytes) {
  std::uint64_t log = 0;
  while ((1u << log) < bytes) {
    ++log;
  }
  return reg_arm64 | log << 52;
}
/// Bytes of a register, by its id.
constexpr std::size_t bytes_of(std::uint64_t id) {
  return std::size_t{1} << (id >> 52 & 15);
}
/// Of struct kvm_regs, by the offset in 32-bit words.
constexpr std::uint64_t core(unsigned words, unsigned bytes = 8) {
  return sized(bytes) | 0x00100000 | words;
}
/// The ids themselves.
namespace reg {

constexpr std::uint64_t x(unsigned n) {
  return core(2 * n);
}
inline constexpr std::uint64_t sp_el0 = core(0x3e), pc = core(0x40), pstate = core(0x42),
                               sp_el1 = core(0x44), elr_el1 = core(0x46);
constexpr std::uint64_t spsr(unsigned n) {
  return core(0x48 + 2 * n);
}
inline constexpr std::uint64_t spsr_el1 = spsr(0);
constexpr std::uint64_t v(unsigned n) {
  return core(0x54 + 4 * n, 16);
}
inline constexpr std::uint64_t fpsr = core(0xd4, 4), fpcr = core(0xd5, 4);

/// A system register by its encoding in MRS and MSR.
constexpr std::uint64_t
sysreg(unsigned op0, unsigned op1, unsigned crn, unsigned crm, unsigned op2) {
  return sized(8) | 0x00130000 | op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2;
}

// SVE: slice 0 holds all of a register up to 2048 bits.
inline constexpr unsigned most_vector_bytes = 256;
constexpr std::uint64_t z(unsigned n) {
  return sized(256) | 0x00150000 | n << 5;
}
constexpr std::uint64_t p(unsigned n) {
  return sized(32) | 0x00150400 | n << 5;
}
inline constexpr std::uint64_t ffr = sized(32) | 0x00150600;
/// Bit n: vectors of n + 1 times 16 bytes.
inline constexpr std::uint64_t vector_lengths = sized(64) | 0x0015ffff;

// System registers by name (Arm ARM, chapter D19).
inline constexpr std::uint64_t sctlr_el1 = sysreg(3, 0, 1, 0, 0), sctlr_el2 = sysreg(3, 4, 1, 0, 0);
inline constexpr std::uint64_t ttbr0_el1 = sysreg(3, 0, 2, 0, 0), ttbr0_el2 = sysreg(3, 4, 2, 0, 0);
inline constexpr std::uint64_t ttbr1_el1 = sysreg(3, 0, 2, 0, 1), ttbr1_el2 = sysreg(3, 4, 2, 0, 1);
inline constexpr std::uint64_t tcr_el1 = sysreg(3, 0, 2, 0, 2), tcr_el2 = sysreg(3, 4, 2, 0, 2);
inline constexpr std::uint64_t esr_el1 = sysreg(3, 0, 5, 2, 0), esr_el2 = sysreg(3, 4, 5, 2, 0);
inline constexpr std::uint64_t far_el1 = sysreg(3, 0, 6, 0, 0), far_el2 = sysreg(3, 4, 6, 0, 0);
inline constexpr std::uint64_t vbar_el1 = sysreg(3, 0, 12, 0, 0), vbar_el2 = sysreg(3, 4, 12, 0, 0);
inline constexpr std::uint64_t mair_el1 = sysreg(3, 0, 10, 2, 0);
inline constexpr std::uint64_t elr_el2 = sysreg(3, 4, 4, 0, 1), spsr_el2 = sysreg(3, 4, 4, 0, 0),
                               sp_el2 = sysreg(3, 6, 4, 1, 0);
inline constexpr std::uint64_t hcr_el2 = sysreg(3, 4, 1, 1, 0), mdcr_el2 = sysreg(3, 4, 1, 1, 1);
inline constexpr std::uint64_t id_aa64pfr0_el1 = sysreg(3, 0, 0, 4, 0),
                               id_aa64pfr1_el1 = sysreg(3, 0, 0, 4, 1);
inline constexpr std::uint64_t mdscr_el1 = sysreg(2, 0, 0, 2, 2);
static_assert(x(0) == 0x6030000000100000 && v(0) == 0x6040000000100054 &&
              fpsr == 0x60200000001000d4 && z(0) == 0x6080000000150000);
static_assert(sctlr_el1 == 0x603000000013c080 && mdscr_el1 == 0x6030000000138012);

} // namespace reg

// PSTATE as SPSR lays it out (Arm ARM, C5.2.18)
inline constexpr std::uint64_t pstate_sp = 1, pstate_aarch32 = 1u << 4, pstate_f = 1u << 6,
                               pstate_i = 1u << 7, pstate_daif = 0x3c0, pstate_ssbs = 1u << 12,
                               pstate_ss = 1u << 21, pstate_pan = 1u << 22, pstate_dit = 1u << 24,
                               pstate_tco = 1u << 25;
inline constexpr std::uint64_t pstate_thumb = 1u << 5; // in AArch32
inline constexpr std::uint64_t interrupt_masks = pstate_i | pstate_f;
/// 0 to 2; AArch32's user mode is EL0, its others count as EL1.
constexpr unsigned exception_level(std::uint64_t state) {
  if ((state & pstate_aarch32) != 0) return (state & 15) == 0 ? 0 : 1;
  return state >> 2 & 3;
}

// SCTLR_EL1
inline constexpr std::uint64_t sctlr_m = 1, sctlr_span = 1u << 23, sctlr_dssbs = 1ull << 44;
// HCR_EL2, MDCR_EL2
inline constexpr std::uint64_t hcr_tge = 1u << 27, hcr_e2h = 1ull << 34, mdcr_tde = 1u << 8;

/// ESR_ELx.EC (Arm ARM, D19.2.37). Those of pairs are for a lower exception level; + 1 is the same
/// from the current one.
enum class Cause : std::uint8_t {
  breakpoint = 0x30,
  step = 0x32,
  watchpoint = 0x34,
  bkpt32 = 0x38,
  brk64 = 0x3c,
};
inline constexpr std::uint64_t esr_write = 1u << 6, esr_far_not_valid = 1u << 10;

} // namespace kdbg::kvm::arm64
