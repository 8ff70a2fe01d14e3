#pragma once
/// The ACPI tables of the built-in machine: how an operating system finds its CPUs, the IOAPIC,
/// the power-off and the reset port. Knows no KVM.
#include "adapter/types.hpp"

namespace kdbg::kvm {

/// Ports that the tables name.
inline constexpr std::uint16_t acpi_events = 0x600, acpi_control = 0x604, acpi_reset = 0xcf9;

/// All tables for `vcpus` processors, to be copied to guest-physical `at` (16-byte aligned). The
/// root pointer (RSDP) comes first.
Bytes acpi_tables(std::uint64_t at, std::size_t vcpus);

} // namespace kdbg::kvm
