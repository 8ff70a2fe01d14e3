#pragma once
/// The LoongArch CPU family, 64 bits.
#include "kvm/arch.hpp"

namespace kdbg::kvm {

/// `facts`: breakpoint_word is what KVM says; with 0 there are no breakpoints.
std::unique_ptr<const Arch> make_loongarch64(const HostFacts& facts);

} // namespace kdbg::kvm
