#pragma once
/// What this host's KVM does for RISC-V guests, found out with a small one.
#include "kvm/arch.hpp"

namespace kdbg::kvm::riscv64 {

Result<HostFacts> probe(Kernel& kernel);

} // namespace kdbg::kvm::riscv64
