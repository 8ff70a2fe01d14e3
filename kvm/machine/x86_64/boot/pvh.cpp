// PVH: Xen's public/arch-x86/hvm/start_info.h, version 1.
#include "kvm/machine/x86_64/boot/protocols.hpp"

namespace kdbg::kvm::boot {
namespace {

constexpr std::uint64_t modules = information + 0x100, map_at = information + 0x200;

struct StartInfo {
  std::uint32_t magic = 0x336ec578, version = 1, flags = 0, module_count = 0;
  std::uint64_t module_list = 0, command_line = 0, rsdp = 0, memory_map = 0;
  std::uint32_t memory_map_entries = 0, reserved = 0;
};
struct Module {
  std::uint64_t address = 0, size = 0, command_line = 0, reserved = 0;
};
struct MemoryMapEntry {
  std::uint64_t address = 0, size = 0;
  std::uint32_t type = 1, reserved = 0;
};

static_assert(sizeof(StartInfo) == 56 && sizeof(Module) == 32 && sizeof(MemoryMapEntry) == 24);

} // namespace

Status put_pvh(const Image& image, const BootFiles& files, Ram& ram) {
  StartInfo info;
  TRY(put_command_line(ram, files.command_line));
  info.command_line = command_line;
  if (!files.initrd.empty()) {
    const std::uint64_t at = TRY(put_initrd(image, files.initrd, mmio_hole, ram));
    TRY(put_value(ram, modules, Module{at, files.initrd.size()}, "module list"));
    info.module_count = 1;
    info.module_list = modules;
  }
  std::vector<MemoryMapEntry> map;
  for (const MapEntry& entry : memory_map(ram)) {
    map.push_back({entry.address, entry.size, entry.type});
  }
  TRY(put(ram, map_at, std::as_bytes(std::span(map)), "memory map"));
  info.rsdp = acpi_area;
  info.memory_map = map_at;
  info.memory_map_entries = static_cast<std::uint32_t>(map.size());
  return put_value(ram, information, info, "start info");
}

} // namespace kdbg::kvm::boot
