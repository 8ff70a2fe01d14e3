#pragma once
/// The RISC-V register table: gdb's names and features, then the privilege mode.
#include "kvm/soft_cpu.hpp"

namespace kdbg::kvm::riscv64 {

inline constexpr std::uint16_t elf_machine = 243; // EM_RISCV

const ArchInfo& arch_info();
/// One for each register of the table.
std::span<const Source> sources();

} // namespace kdbg::kvm::riscv64
