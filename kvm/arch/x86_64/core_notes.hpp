#pragma once
/// The notes of each vCPU in a core file: Linux's NT_PRSTATUS, and QEMU's with the system
/// registers.
#include "adapter/registers.hpp"

namespace kdbg::kvm::x86 {

inline constexpr std::uint16_t elf_machine = 62; // EM_X86_64

std::span<const CoreNote> core_notes();

} // namespace kdbg::kvm::x86
