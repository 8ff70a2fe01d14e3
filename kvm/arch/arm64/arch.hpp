#pragma once
/// The 64-bit Arm CPU family.
#include "kvm/arch.hpp"

namespace kdbg::kvm {

std::unique_ptr<const Arch> make_arm64(const HostFacts& facts);

} // namespace kdbg::kvm
