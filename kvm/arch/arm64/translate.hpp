#pragma once
/// The AArch64 page walk, stage 1 (Arm ARM, chapter D8), done on a snapshot of the system
/// registers: KVM_TRANSLATE does not exist on arm64, and this says where and why a walk stopped.
#include "adapter/target.hpp"
#include "kvm/memory.hpp"

namespace kdbg::kvm::arm64 {

/// Of the translation regime in use. An EL2 that has one range shows with `tcr` in TCR_EL1's layout
/// and `one_range`.
struct Paging {
  std::uint64_t sctlr = 0, tcr = 0, ttbr0 = 0, ttbr1 = 0;
  bool one_range = false; ///< no TTBR1, no EL0
};

/// TCR_EL2 without HCR_EL2.E2H, as TCR_EL1 would say it.
std::uint64_t tcr_of_one_range(std::uint64_t tcr_el2);

/// Whether a walk also writes its levels down for people, which costs more than the walk.
enum class Detail : std::uint8_t { none, levels };

/// Code::memory_fault names the level without a page.
Result<Translation> walk(const Paging& paging,
                         const GuestMemory& memory,
                         std::uint64_t linear,
                         Detail detail = Detail::levels,
                         std::uint64_t* hole = nullptr);

} // namespace kdbg::kvm::arm64
