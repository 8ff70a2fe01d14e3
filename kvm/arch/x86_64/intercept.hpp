#pragma once
/// Makes accesses to chosen MSRs, and hypercalls, exit to userspace (api.rst,
/// KVM_X86_SET_MSR_FILTER and KVM_CAP_EXIT_HYPERCALL). Per virtual machine.
#include "kvm/arch.hpp"
#include "kvm/kernel.hpp"

namespace kdbg::kvm::x86 {

/// Replaces what was intercepted before. bad_request for more ranges than KVM takes (16).
Status intercept(Kernel& kernel, Fd vm, const Intercepts& wanted);

} // namespace kdbg::kvm::x86
