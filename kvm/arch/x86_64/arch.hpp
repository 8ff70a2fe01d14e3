#pragma once
/// The x86-64 CPU family.
#include "kvm/arch.hpp"

namespace kdbg::kvm {

/// Without the registers that only some CPUs have.
const Arch& x86_64();
/// With those that this host's guests have: AVX-512's, PKRU.
const Arch& x86_64(const HostFacts& facts);
std::unique_ptr<const Arch> make_x86_64(const HostFacts& facts);

} // namespace kdbg::kvm
