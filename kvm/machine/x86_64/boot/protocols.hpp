#pragma once
/// What each boot protocol hands to the guest, and the pieces that they share. See boot.hpp.
#include "kvm/machine/x86_64/boot.hpp"

namespace kdbg::kvm::boot {

inline constexpr std::uint64_t page_tables = boot_area, gdt = boot_area + 0x6000,
                               linux_gdt = gdt + 0x80, information = boot_area + 0x7000,
                               command_line = boot_area + 0x8000;
inline constexpr std::size_t command_line_most = 4095;
inline constexpr std::uint64_t low_memory_end = 0x9fc00, high_memory = 0x100000;

/// Into guest memory; `what` is for the error when there is none.
Status put(Ram& ram, std::uint64_t at, ByteView bytes, std::string_view what);
template <class T>
Status put_value(Ram& ram, std::uint64_t at, const T& value, std::string_view what) {
  return put(ram, at, std::as_bytes(std::span(&value, 1)), what);
}

/// The memory as guests are told of it.
struct MapEntry {
  std::uint64_t address = 0, size = 0;
  std::uint32_t type = 1; ///< 1: RAM, 2: reserved, as in E820
};
std::vector<MapEntry> memory_map(const Ram& ram);

/// `text` with its final zero, where the command line goes.
Status put_command_line(Ram& ram, const std::string& text);
/// Copies the initrd below `below`, as high as it goes clear of the image, and returns where.
Result<std::uint64_t>
put_initrd(const Image& image, ByteView initrd, std::uint64_t below, Ram& ram);

/// Each writes its structure at `information`.
Status put_pvh(const Image& image, const BootFiles& files, Ram& ram);
Status put_multiboot(const Image& image, const BootFiles& files, Ram& ram);
Status put_linux(const Image& image, const BootFiles& files, Ram& ram);
/// An interrupt vector table and a BIOS data area, at 0: there is no BIOS behind them.
Status put_real_mode(Ram& ram);

} // namespace kdbg::kvm::boot
