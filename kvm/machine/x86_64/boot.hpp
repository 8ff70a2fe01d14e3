#pragma once
/// What stands in memory before the first instruction (the image, page tables, GDT, what the boot
/// protocol hands over, ACPI tables), and the CPU state that an image's entry expects.
#include "kvm/arch/x86_64/abi.hpp"
#include "kvm/machine/board.hpp"
#include "kvm/memory.hpp"

namespace kdbg::kvm {

/// Physical layout. RAM above `mmio_hole` continues at 4 GiB.
inline constexpr std::uint64_t boot_area = 0x90000, boot_area_end = 0xa0000;
inline constexpr std::uint64_t acpi_area = 0xf0000, acpi_area_end = 0xf4000;
inline constexpr std::uint64_t mmio_hole = 0xc0000000, mmio_hole_end = 0x100000000;

/// Copies the image and all boot data into RAM. An image that does not fit, or stands where the
/// boot data must, is an error that names the addresses.
Status load(const Image& image, const BootFiles& files, std::size_t vcpus, Ram& ram);

/// Registers of a vCPU at the entry point, on top of what KVM gives a new vCPU.
void set_entry_state(const Image& image, std::size_t vcpu, x86::Regs& regs, x86::Sregs& sregs);

} // namespace kdbg::kvm
