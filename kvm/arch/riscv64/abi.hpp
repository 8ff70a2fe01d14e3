#pragma once
/// KVM's RISC-V register ids and structures, mirrored so that this folder compiles on any host
/// (Linux arch/riscv/include/uapi/asm/kvm.h). Checked against the real header on RISC-V.
/// KVM_SET_GUEST_DEBUG is in kvm/soft_cpu.hpp.
#include <cstddef>
#include <cstdint>

namespace kdbg::kvm::riscv64 {

// KVM_GET_ONE_REG ids: architecture, size, type, number.
inline constexpr std::uint64_t reg_u64 = 0x8030000000000000, reg_u32 = 0x8020000000000000;
inline constexpr std::uint64_t type_config = 1u << 24, type_core = 2u << 24, type_csr = 3u << 24,
                               type_fp_d = 6u << 24;

/// struct kvm_riscv_core: pc, x1 to x31, mode.
constexpr std::uint64_t core_x(unsigned n) {
  return reg_u64 | type_core | n;
}
inline constexpr std::uint64_t core_pc = reg_u64 | type_core, core_mode = reg_u64 | type_core | 32;
inline constexpr std::uint64_t mode_user = 0, mode_supervisor = 1;

/// struct kvm_riscv_csr: the guest's supervisor CSRs.
enum class Csr : std::uint8_t {
  sstatus,
  sie,
  stvec,
  sscratch,
  sepc,
  scause,
  stval,
  sip,
  satp,
  scounteren,
  senvcfg
};
constexpr std::uint64_t csr(Csr which) {
  return reg_u64 | type_csr | static_cast<std::uint64_t>(which);
}

/// struct __riscv_d_ext_state: f0 to f31, fcsr.
constexpr std::uint64_t fp_d(unsigned n) {
  return reg_u64 | type_fp_d | n;
}
inline constexpr std::uint64_t fp_fcsr = reg_u32 | type_fp_d | 32;

// sstatus (privileged architecture, "Supervisor Status Register")
inline constexpr std::uint64_t sstatus_sie = 1u << 1, sstatus_spie = 1u << 5, sstatus_spp = 1u << 8;
inline constexpr std::uint64_t cause_breakpoint = 3;
inline constexpr std::uint64_t stvec_mode = 3; ///< exceptions go to the base whatever it says

} // namespace kdbg::kvm::riscv64
