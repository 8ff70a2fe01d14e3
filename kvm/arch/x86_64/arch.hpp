#pragma once
/// The x86-64 CPU family.
#include "kvm/arch.hpp"

namespace kdbg::kvm {

const Arch& x86_64();

} // namespace kdbg::kvm
