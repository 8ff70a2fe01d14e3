#pragma once
/// The LoongArch register table: gdb's names and features, then the control and status registers.
#include "kvm/soft_cpu.hpp"

namespace kdbg::kvm::loongarch64 {

inline constexpr std::uint16_t elf_machine = 258; // EM_LOONGARCH

const ArchInfo& arch_info();
/// One for each register of the table. A vector register has the id of the double in it.
std::span<const Source> sources();

} // namespace kdbg::kvm::loongarch64
