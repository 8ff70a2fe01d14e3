#pragma once
/// The notes that a core file of an arm64 guest has for each vCPU.
#include "adapter/registers.hpp"

namespace kdbg::kvm::arm64 {

/// `scalable`: the register table has z0 to z31 in place of v0 to v31.
std::span<const CoreNote> core_notes(bool scalable);

} // namespace kdbg::kvm::arm64
