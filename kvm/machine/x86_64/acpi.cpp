#include "kvm/machine/x86_64/acpi.hpp"

#include <cstring>

namespace kdbg::kvm {
namespace {

constexpr std::uint32_t local_apic = 0xfee00000, io_apic = 0xfec00000;

/// Little-endian bytes in the order of the specification's tables.
class Table {
public:
  Table& u8(unsigned value) { return add(value, 1); }
  Table& u16(unsigned value) { return add(value, 2); }
  Table& u32(std::uint64_t value) { return add(value, 4); }
  Table& u64(std::uint64_t value) { return add(value, 8); }
  Table& text(std::string_view value) {
    for (const char c : value) {
      bytes_.push_back(static_cast<std::byte>(c));
    }
    return *this;
  }
  Table& zeros(std::size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
  }
  std::size_t size() const { return bytes_.size(); }
  void set32(std::size_t at, std::uint32_t value) {
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }
  /// Makes the first `count` bytes sum to zero by the byte at `at`.
  void seal(std::size_t at, std::size_t count) {
    unsigned sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      sum += std::to_integer<unsigned>(bytes_[i]);
    }
    bytes_[at] = static_cast<std::byte>(0x100 - (sum & 0xff));
  }
  const Bytes& bytes() const { return bytes_; }

private:
  Table& add(std::uint64_t value, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      bytes_.push_back(static_cast<std::byte>(value >> (8 * i)));
    }
    return *this;
  }
  Bytes bytes_;
};

/// ACPI 6.3, 5.2.6: length (offset 4) and checksum (offset 9) are filled in by `finish`.
Table header(std::string_view signature, unsigned revision) {
  Table table;
  table.text(signature)
      .u32(0)
      .u8(revision)
      .u8(0)
      .text("KVMDBG")
      .text("MACHINE ")
      .u32(1)
      .text("KDBG")
      .u32(1);
  return table;
}

Bytes finish(Table table) {
  table.set32(4, static_cast<std::uint32_t>(table.size()));
  table.seal(9, table.size());
  return table.bytes();
}

/// AML: Name(\_S5, Package(4){0, 0, 0, 0}), so that power-off writes SLP_EN with type 0.
Bytes dsdt() {
  Table table = header("DSDT", 2);
  table.u8(0x08).text("_S5_").u8(0x12).u8(6).u8(4).zeros(4);
  return finish(table);
}

/// 5.2.9, revision 3 (244 bytes).
Bytes fadt(std::uint64_t dsdt_at) {
  constexpr unsigned no_power_button = 1u << 4, no_sleep_button = 1u << 5, no_fixed_rtc = 1u << 6,
                     reset_supported = 1u << 10;
  constexpr unsigned legacy_devices = 1u << 0, no_vga = 1u << 2,
                     no_msi = 1u << 3; // no bit 1: no 8042
  Table table = header("FACP", 3);
  table.u32(0).u32(dsdt_at).u8(0).u8(0).u16(9).u32(0).zeros(
      4); // SCI on 9, no SMI command: always in ACPI mode
  table.u32(acpi_events).u32(0).u32(acpi_control).u32(0).u32(0).u32(0).u32(0).u32(0);
  table.u8(4).u8(2).u8(0).u8(0).u8(0).u8(0).u8(0).u8(0); // lengths of those blocks
  table.u16(0xfff).u16(0xfff).u16(0).u16(0).u8(0).u8(0).u8(0).u8(0).u8(0x32);
  table.u16(legacy_devices | no_vga | no_msi).u8(0);
  table.u32(1u | no_power_button | no_sleep_button | no_fixed_rtc | reset_supported);
  table.u8(1).u8(8).u8(0).u8(1).u64(acpi_reset).u8(6).zeros(3); // reset register: I/O, 8 bits,
                                                                // value 6
  table.u64(0).u64(dsdt_at);
  table.u8(1).u8(32).u8(0).u8(2).u64(acpi_events).zeros(12);
  table.u8(1).u8(16).u8(0).u8(2).u64(acpi_control).zeros(12);
  table.zeros(4 * 12);
  return finish(table);
}

/// 5.2.12
Bytes madt(std::size_t vcpus) {
  constexpr unsigned has_8259 = 1, enabled = 1, every_processor = 0xff;
  Table table = header("APIC", 4);
  table.u32(local_apic).u32(has_8259);
  for (unsigned i = 0; i < vcpus; ++i) {
    table.u8(0).u8(8).u8(i).u8(i).u32(enabled);
  }
  table.u8(1).u8(12).u8(static_cast<unsigned>(vcpus)).u8(0).u32(io_apic).u32(0);
  table.u8(2).u8(10).u8(0).u8(0).u32(2).u16(0);       // the PIT's ISA IRQ 0 is IOAPIC pin 2
  table.u8(2).u8(10).u8(0).u8(9).u32(9).u16(0xd);     // SCI: level, active high
  table.u8(4).u8(6).u8(every_processor).u16(0).u8(1); // NMI on LINT1
  return finish(table);
}

Bytes xsdt(std::uint64_t fadt_at, std::uint64_t madt_at) {
  Table table = header("XSDT", 1);
  table.u64(fadt_at).u64(madt_at);
  return finish(table);
}

/// 5.2.5.3
Bytes rsdp(std::uint64_t xsdt_at) {
  Table table;
  table.text("RSD PTR ").u8(0).text("KVMDBG").u8(2).u32(0).u32(36).u64(xsdt_at).zeros(4);
  table.seal(8, 20);
  table.seal(32, 36);
  return table.bytes();
}

} // namespace

Bytes acpi_tables(std::uint64_t at, std::size_t vcpus) {
  constexpr std::uint64_t room = 64; // for the root pointer
  const Bytes definitions = dsdt(), processors = madt(vcpus);
  const std::uint64_t dsdt_at = at + room, fadt_at = dsdt_at + definitions.size();
  const Bytes fixed = fadt(dsdt_at);
  const std::uint64_t madt_at = fadt_at + fixed.size(), xsdt_at = madt_at + processors.size();
  Bytes out = rsdp(xsdt_at);
  out.resize(room);
  for (const Bytes& table : {definitions, fixed, processors, xsdt(fadt_at, madt_at)}) {
    for (const std::byte byte : table) {
      out.push_back(byte);
    }
  }
  return out;
}

} // namespace kdbg::kvm
