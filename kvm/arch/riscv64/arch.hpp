#pragma once
/// The RISC-V CPU family, 64 bits.
#include "kvm/arch.hpp"

namespace kdbg::kvm {

std::unique_ptr<const Arch> make_riscv64(const HostFacts& facts);

} // namespace kdbg::kvm
