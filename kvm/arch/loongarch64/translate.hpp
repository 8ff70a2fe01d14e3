#pragma once
/// LoongArch address translation (reference manual vol. 1, 5.2 to 5.4): direct addressing, direct
/// mapped windows, and the page tables that the guest's refill handler walks by PGDL, PGDH, PWCL
/// and PWCH. On a snapshot of those registers: no ioctl, and it says where and why it stopped.
#include "adapter/target.hpp"
#include "kvm/memory.hpp"

#include <array>

namespace kdbg::kvm::loongarch64 {

struct Paging {
  std::uint64_t crmd = 0, pgdl = 0, pgdh = 0, pwcl = 0, pwch = 0;
  std::array<std::uint64_t, 4> dmw{};
};

/// Whether a walk also writes its levels down for people, which costs more than the walk.
enum class Detail : std::uint8_t { none, levels };

/// Physical address of the page tables for the lower half; 0 without paging.
std::uint64_t root_of(const Paging& paging);

/// Code::memory_fault names the level without a page. A window for another privilege level than
/// the present one counts where nothing else does: a debugger looks at the kernel also while the
/// CPU is in a process.
Result<Translation> walk(const Paging& paging,
                         const GuestMemory& memory,
                         std::uint64_t virtual_address,
                         Detail detail = Detail::levels,
                         std::uint64_t* hole = nullptr);

} // namespace kdbg::kvm::loongarch64
