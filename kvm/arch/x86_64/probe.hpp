#pragma once
/// Finds out what this host's KVM really does for a debugger, by running small guests: the
/// advertised capabilities do not tell (a KVM that emulates accepts data breakpoints and never
/// fires them).
#include "kvm/arch.hpp"
#include "kvm/arch/x86_64/abi.hpp"

namespace kdbg::kvm::x86 {

/// Where state components stand, by what guests are told (CPUID leaf 0xD); `area_bytes` is what
/// KVM_CAP_XSAVE2 says, 0 on an older kernel.
XsaveLayout read_xsave_layout(const Cpuid& cpuid, std::uint32_t area_bytes);

/// An error only when there is no KVM at all; what does not work is in the facts.
Result<HostFacts> probe(Kernel& kernel);

} // namespace kdbg::kvm::x86
