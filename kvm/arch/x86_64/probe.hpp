#pragma once
/// Finds out what this host's KVM really does for a debugger, by running small guests: the
/// advertised capabilities do not tell (a KVM that emulates accepts data breakpoints and never
/// fires them).
#include "kvm/arch.hpp"

namespace kdbg::kvm::x86 {

/// An error only when there is no KVM at all; what does not work is in the facts.
Result<HostFacts> probe(Kernel& kernel);

} // namespace kdbg::kvm::x86
