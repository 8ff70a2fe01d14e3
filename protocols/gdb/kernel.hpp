#pragma once
/// Where a Linux kernel was loaded, found without its symbols. Knows no packet.
#include "protocols/gdb/conversation.hpp"

namespace kdbg::gdb {

/// Where x86-64 kernels are linked to: __START_KERNEL (arch/x86/include/asm/page_64_types.h).
inline constexpr std::uint64_t kernel_link_address = 0xffffffff81000000;

/// How far from there KASLR has moved this one, in bytes, once it runs at its virtual addresses; 0
/// for one that was not moved, nothing when that cannot be told: another architecture, too early.
std::optional<std::uint64_t> kernel_slide(const Conversation& conversation);

} // namespace kdbg::gdb
