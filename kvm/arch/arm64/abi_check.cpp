// On an arm64 host, the mirrors in abi.hpp must be what the kernel header says.
#include "kvm/arch/arm64/abi.hpp"

#ifdef __aarch64__
#include <linux/kvm.h>

namespace kdbg::kvm::arm64 {

static_assert(most_pairs == KVM_ARM_MAX_DBG_REGS);
static_assert(sizeof(GuestDebug) == sizeof(kvm_guest_debug));
static_assert(offsetof(GuestDebug, wvr) ==
              offsetof(kvm_guest_debug, arch) + offsetof(kvm_guest_debug_arch, dbg_wvr));
static_assert(offsetof(GuestDebug, bcr) ==
              offsetof(kvm_guest_debug, arch) + offsetof(kvm_guest_debug_arch, dbg_bcr));
static_assert(sizeof(DebugExit) == sizeof(kvm_debug_exit_arch));
static_assert(offsetof(DebugExit, far) == offsetof(kvm_debug_exit_arch, far));
static_assert(sizeof(OneReg) == sizeof(kvm_one_reg) && sizeof(VcpuInit) == sizeof(kvm_vcpu_init));
static_assert(set_guest_debug == KVM_SET_GUEST_DEBUG);
static_assert(get_one_reg == KVM_GET_ONE_REG && set_one_reg == KVM_SET_ONE_REG);
static_assert(vcpu_init == KVM_ARM_VCPU_INIT && preferred_target == KVM_ARM_PREFERRED_TARGET);
static_assert(vcpu_finalize == KVM_ARM_VCPU_FINALIZE);
static_assert(cap_guest_debug == KVM_CAP_SET_GUEST_DEBUG &&
              cap_exec_slots == KVM_CAP_GUEST_DEBUG_HW_BPS &&
              cap_watch_slots == KVM_CAP_GUEST_DEBUG_HW_WPS && cap_sve == KVM_CAP_ARM_SVE &&
              cap_ipa_size == KVM_CAP_ARM_VM_IPA_SIZE &&
              cap_guest_debug2 == KVM_CAP_SET_GUEST_DEBUG2);
static_assert(feature_sve == KVM_ARM_VCPU_SVE);
static_assert(debug_enable == KVM_GUESTDBG_ENABLE && debug_single_step == KVM_GUESTDBG_SINGLESTEP &&
              debug_use_sw_bp == KVM_GUESTDBG_USE_SW_BP && debug_use_hw == KVM_GUESTDBG_USE_HW);
static_assert(run_hsr_high == KVM_DEBUG_ARCH_HSR_HIGH_VALID);
static_assert(mp_stopped == KVM_MP_STATE_STOPPED && mp_suspended == KVM_MP_STATE_SUSPENDED);
constexpr std::uint64_t of_core = KVM_REG_ARM64 | KVM_REG_ARM_CORE;
static_assert(reg::x(1) == (of_core | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE_REG(regs.regs[1])));
static_assert(reg::sp_el0 == (of_core | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE_REG(regs.sp)));
static_assert(reg::pc == (of_core | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE_REG(regs.pc)));
static_assert(reg::pstate == (of_core | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE_REG(regs.pstate)));
static_assert(reg::sp_el1 == (of_core | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE_REG(sp_el1)));
static_assert(reg::elr_el1 == (of_core | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE_REG(elr_el1)));
static_assert(reg::spsr_el1 == (of_core | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE_REG(spsr[0])));
static_assert(reg::v(1) == (of_core | KVM_REG_SIZE_U128 | KVM_REG_ARM_CORE_REG(fp_regs.vregs[1])));
static_assert(reg::fpsr == (of_core | KVM_REG_SIZE_U32 | KVM_REG_ARM_CORE_REG(fp_regs.fpsr)));
static_assert(reg::fpcr == (of_core | KVM_REG_SIZE_U32 | KVM_REG_ARM_CORE_REG(fp_regs.fpcr)));
static_assert(reg::sctlr_el1 == ARM64_SYS_REG(3, 0, 1, 0, 0));
static_assert(reg::z(1) == KVM_REG_ARM64_SVE_ZREG(1, 0) &&
              reg::p(1) == KVM_REG_ARM64_SVE_PREG(1, 0) && reg::ffr == KVM_REG_ARM64_SVE_FFR(0) &&
              reg::vector_lengths == KVM_REG_ARM64_SVE_VLS);

} // namespace kdbg::kvm::arm64
#endif
