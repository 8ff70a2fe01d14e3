// Multiboot 1: the information structure (Multiboot Specification 0.6.96, 3.3).
#include "kvm/machine/x86_64/boot/protocols.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace kdbg::kvm::boot {
namespace {

constexpr std::uint32_t has_memory = 1u << 0, has_command_line = 1u << 2, has_modules = 1u << 3,
                        has_map = 1u << 6, has_loader_name = 1u << 9;
constexpr std::uint64_t modules = information + 0x100, map_at = information + 0x200,
                        loader_name = information + 0x400, module_name = information + 0x500;
constexpr std::size_t name_most = 0xaff;

struct Info {
  std::uint32_t flags = 0, mem_lower = 0, mem_upper = 0, boot_device = 0, cmdline = 0,
                mods_count = 0, mods_addr = 0;
  std::array<std::uint32_t, 4> syms{};
  std::uint32_t mmap_length = 0, mmap_addr = 0, drives_length = 0, drives_addr = 0,
                config_table = 0, boot_loader_name = 0, apm_table = 0;
};
struct Module {
  std::uint32_t start = 0, end = 0, string = 0, reserved = 0;
};
struct __attribute__((packed)) MapRow {
  std::uint32_t size = 20; ///< of what follows
  std::uint64_t address = 0, length = 0;
  std::uint32_t type = 1;
};
static_assert(sizeof(Info) == 72 && sizeof(Module) == 16 && sizeof(MapRow) == 24);

constexpr std::uint32_t narrow(std::uint64_t below_4_gib) {
  return static_cast<std::uint32_t>(below_4_gib);
}

ByteView with_zero(const std::string& text) {
  return std::as_bytes(std::span(text.c_str(), text.size() + 1));
}

/// The initrd as the one module; its string is the name of the file.
Status put_module(const Image& image, const BootFiles& files, Info& info, Ram& ram) {
  if (files.initrd.empty()) return Done{};
  if (files.initrd_name.size() > name_most) {
    return Error{Code::bad_request, fmt::format("the initrd's name is {} bytes, at most {} fit",
                                                files.initrd_name.size(), name_most)};
  }
  const std::uint64_t at = TRY(put_initrd(image, files.initrd, mmio_hole, ram));
  TRY(put(ram, module_name, with_zero(files.initrd_name), "module name"));
  TRY(put_value(ram, modules,
                Module{narrow(at), narrow(at + files.initrd.size()), narrow(module_name)},
                "module list"));
  info.flags |= has_modules;
  info.mods_count = 1;
  info.mods_addr = narrow(modules);
  return Done{};
}

} // namespace

Status put_multiboot(const Image& image, const BootFiles& files, Ram& ram) {
  constexpr std::uint64_t kib = 1024;
  const std::uint64_t low_end = ram.ranges().front().bytes.size();
  Info info;
  info.flags = has_memory | has_command_line | has_map | has_loader_name;
  info.mem_lower = narrow(low_memory_end / kib);
  info.mem_upper = narrow((low_end - std::min(low_end, high_memory)) / kib);
  // as GRUB and QEMU have it, the first word is the image's name
  const std::string separator = files.command_line.empty() ? "" : " ";
  TRY(put_command_line(ram, files.image_name + separator + files.command_line));
  info.cmdline = narrow(command_line);
  TRY(put_module(image, files, info, ram));
  std::vector<MapRow> rows;
  for (const MapEntry& entry : memory_map(ram)) {
    rows.push_back({20, entry.address, entry.size, entry.type});
  }
  TRY(put(ram, map_at, std::as_bytes(std::span(rows)), "memory map"));
  info.mmap_addr = narrow(map_at);
  info.mmap_length = narrow(rows.size() * sizeof(MapRow));
  TRY(put(ram, loader_name, with_zero("kvmdbg"), "loader name"));
  info.boot_loader_name = narrow(loader_name);
  return put_value(ram, information, info, "multiboot information");
}

} // namespace kdbg::kvm::boot
