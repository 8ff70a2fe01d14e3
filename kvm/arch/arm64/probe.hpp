#pragma once
/// Finds out what this host's KVM really does for a debugger on arm64, by running small guests.
#include "kvm/arch.hpp"

namespace kdbg::kvm::arm64 {

/// An error only when there is no KVM at all; what does not work is in the facts.
Result<HostFacts> probe(Kernel& kernel);

} // namespace kdbg::kvm::arm64
