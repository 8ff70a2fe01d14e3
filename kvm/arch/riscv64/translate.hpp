#pragma once
/// The RISC-V page walk (privileged architecture, "Supervisor-Level ISA": Sv39, Sv48, Sv57,
/// Svnapot, Svpbmt), on a value of satp: no ioctl, no accessed bits set in the guest, and it says
/// where and why it stopped.
#include "adapter/target.hpp"
#include "kvm/memory.hpp"

namespace kdbg::kvm::riscv64 {

/// Whether a walk also writes its levels down for people, which costs more than the walk.
enum class Detail : std::uint8_t { none, levels };

/// "bare", "Sv39"; "reserved mode 5"
std::string mode_name(std::uint64_t satp);
/// Physical address of the page tables in use; 0 without paging.
std::uint64_t root_of(std::uint64_t satp);
/// satp with other page tables: `root` is their physical address, or a whole satp. With paging off
/// an address means Sv39.
std::uint64_t with_root(std::uint64_t satp, std::uint64_t root);

/// Code::memory_fault names the level without a page.
Result<Translation> walk(std::uint64_t satp,
                         const GuestMemory& memory,
                         std::uint64_t virtual_address,
                         Detail detail = Detail::levels,
                         std::uint64_t* hole = nullptr);

} // namespace kdbg::kvm::riscv64
