#pragma once
/// What this host's KVM does for LoongArch guests, found out with a small one.
#include "kvm/arch.hpp"

namespace kdbg::kvm::loongarch64 {

Result<HostFacts> probe(Kernel& kernel);

} // namespace kdbg::kvm::loongarch64
