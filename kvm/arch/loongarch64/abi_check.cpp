// On a LoongArch host, the mirrors in abi.hpp must be what the kernel header says.
#include "kvm/arch/loongarch64/abi.hpp"

#if defined(__loongarch64)
#include <linux/kvm.h>

namespace kdbg::kvm::loongarch64 {

static_assert(sizeof(Regs) == sizeof(kvm_regs) && offsetof(Regs, pc) == offsetof(kvm_regs, pc));
static_assert(sizeof(Fpu) == sizeof(kvm_fpu) && offsetof(Fpu, fpr) == offsetof(kvm_fpu, fpr));
static_assert(get_regs == KVM_GET_REGS && set_regs == KVM_SET_REGS);
static_assert(get_fpu == KVM_GET_FPU && set_fpu == KVM_SET_FPU);
static_assert(csr(Csr::era) == KVM_IOC_CSRID(0x6));
#ifdef KVM_REG_LOONGARCH_DEBUG_INST // Linux 6.10
static_assert(debug_instruction == KVM_REG_LOONGARCH_DEBUG_INST);
#endif

} // namespace kdbg::kvm::loongarch64
#endif
