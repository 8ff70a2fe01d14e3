#pragma once
/// Finds the stretch of an address space that an address lies in. Knows no vCPU.
#include "kvm/arch.hpp"
#include "kvm/memory.hpp"

namespace kdbg::kvm {

/// Through these page tables, or of physical memory itself. See Target::region.
Region find_region(const PageTables& tables, const GuestMemory& memory, Address at);

} // namespace kdbg::kvm
