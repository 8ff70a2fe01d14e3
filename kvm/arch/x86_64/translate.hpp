#pragma once
/// The x86 page walk (SDM vol. 3, chapter 4), done on a snapshot of the control registers: no
/// ioctl, no accessed bits set in the guest, and it says where and why it stopped.
#include "adapter/target.hpp"
#include "kvm/memory.hpp"

namespace kdbg::kvm::x86 {

struct Paging {
  std::uint64_t cr0 = 0, cr3 = 0, cr4 = 0, efer = 0;
};

/// Whether a walk also writes its levels down for people, which costs more than the walk.
enum class Detail : std::uint8_t { none, levels };

/// Code::memory_fault names the level without a page; `hole` is then what PageTables::hole says.
Result<Translation> walk(const Paging& paging,
                         const GuestMemory& memory,
                         std::uint64_t linear,
                         Detail detail = Detail::levels,
                         std::uint64_t* hole = nullptr);

} // namespace kdbg::kvm::x86
