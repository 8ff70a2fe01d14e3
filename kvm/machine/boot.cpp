#include "kvm/machine/boot.hpp"

#include "kvm/machine/acpi.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace kdbg::kvm {
namespace {

constexpr std::uint64_t page_tables = boot_area, gdt = boot_area + 0x6000,
                        start_info = boot_area + 0x7000, modules = start_info + 0x100,
                        memory_map = start_info + 0x200, command_line = boot_area + 0x8000;
constexpr std::size_t command_line_most = 4095;
constexpr std::uint64_t low_memory_end = 0x9fc00, high_memory = 0x100000;

constexpr std::uint64_t gdt_entries[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff,
                                         0x00af9b000000ffff};
constexpr std::uint16_t code32 = 0x08, data = 0x10, code64 = 0x18;

// Xen's public/arch-x86/hvm/start_info.h, version 1
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
  std::uint32_t type = 1, reserved = 0; // 1: RAM, 2: reserved
};

static_assert(sizeof(StartInfo) == 56 && sizeof(Module) == 32 && sizeof(MemoryMapEntry) == 24);

Status put(Ram& ram, std::uint64_t at, ByteView bytes, std::string_view what) {
  if (ram.write(GuestPhys{at}, bytes) == bytes.size()) return Done{};
  return Error{
      Code::bad_request,
      fmt::format("{} ({} bytes at {:#x}) does not fit the memory; give it more with --memory",
                  what, bytes.size(), at)};
}

template <class T>
Status put_value(Ram& ram, std::uint64_t at, const T& value, std::string_view what) {
  return put(ram, at, std::as_bytes(std::span(&value, 1)), what);
}

Status put_page_tables(Ram& ram) {
  constexpr std::uint64_t present_writable = 3, large_page = 0x83;
  const std::uint64_t pml4 = page_tables, pdpt = page_tables + 0x1000, pd = page_tables + 0x2000;
  TRY(put_value(ram, pml4, pdpt | present_writable, "page tables"));
  std::array<std::uint64_t, 4> pointers{};
  std::array<std::uint64_t, 4 * 512> pages{};
  for (std::uint64_t i = 0; i < pointers.size(); ++i) {
    pointers[i] = (pd + i * 0x1000) | present_writable;
  }
  for (std::uint64_t i = 0; i < pages.size(); ++i) {
    pages[i] = i << 21 | large_page;
  }
  TRY(put_value(ram, pdpt, pointers, "page tables"));
  return put_value(ram, pd, pages, "page tables");
}

std::vector<MemoryMapEntry> map_of(const Ram& ram) {
  std::vector<MemoryMapEntry> out{{0, low_memory_end},
                                  {low_memory_end, high_memory - low_memory_end, 2}};
  for (const auto& range : ram.ranges()) {
    const std::uint64_t start = std::max(range.start, high_memory),
                        end = range.start + range.bytes.size();
    if (end > start) out.push_back({start, end - start});
  }
  return out;
}

/// As high as it goes below the hole, clear of the image.
Result<std::uint64_t> place_initrd(const Image& image, const Ram& ram, std::size_t size) {
  const auto& low = ram.ranges().front();
  const std::uint64_t top = low.start + low.bytes.size();
  std::uint64_t image_end = high_memory;
  for (const auto& segment : image.segments) {
    image_end = std::max(image_end, segment.physical + segment.memory_size);
  }
  const std::uint64_t start = size < top ? (top - size) & ~std::uint64_t{0xfff} : 0;
  if (start >= image_end) return start;
  return Error{
      Code::bad_request,
      fmt::format("the initrd ({} bytes) does not fit between the image (up to {:#x}) and the end "
                  "of memory ({:#x}); give it more with --memory",
                  size, image_end, top)};
}

Status put_start_info(const Image& image, const BootFiles& files, Ram& ram) {
  StartInfo info;
  if (files.command_line.size() > command_line_most) {
    return Error{Code::bad_request, fmt::format("the command line is {} bytes, at most {} fit",
                                                files.command_line.size(), command_line_most)};
  }
  TRY(put(ram, command_line,
          std::as_bytes(std::span(files.command_line.c_str(), files.command_line.size() + 1)),
          "command line"));
  info.command_line = command_line;
  if (!files.initrd.empty()) {
    const std::uint64_t at = TRY(place_initrd(image, ram, files.initrd.size()));
    TRY(put(ram, at, files.initrd, "the initrd"));
    TRY(put_value(ram, modules, Module{at, files.initrd.size()}, "module list"));
    info.module_count = 1;
    info.module_list = modules;
  }
  const auto map = map_of(ram);
  TRY(put(ram, memory_map, std::as_bytes(std::span(map)), "memory map"));
  info.rsdp = acpi_area;
  info.memory_map = memory_map;
  info.memory_map_entries = static_cast<std::uint32_t>(map.size());
  return put_value(ram, start_info, info, "start info");
}

Status put_image(const Image& image, Ram& ram) {
  for (const auto& segment : image.segments) {
    const std::uint64_t end = segment.physical + segment.memory_size;
    const auto hits = [&](std::uint64_t from, std::uint64_t to) {
      return segment.physical < to && from < end;
    };
    if (hits(boot_area, boot_area_end) || hits(acpi_area, acpi_area_end)) {
      return Error{Code::bad_request, fmt::format("the image's segment {:#x}-{:#x} overlaps the "
                                                  "boot data at {:#x}-{:#x} or {:#x}-{:#x}",
                                                  segment.physical, end, boot_area, boot_area_end,
                                                  acpi_area, acpi_area_end)};
    }
    const auto holds = [&](const Ram::Range& range) {
      return segment.physical >= range.start && end <= range.start + range.bytes.size();
    };
    TRY(put(ram, segment.physical, segment.bytes, "the image"));
    if (std::none_of(ram.ranges().begin(), ram.ranges().end(), holds)) {
      return Error{
          Code::bad_request,
          fmt::format(
              "the image's segment {:#x}-{:#x} does not fit the memory; give it more with --memory",
              segment.physical, end)};
    }
  }
  return Done{};
}

} // namespace

Status load(const Image& image, const BootFiles& files, std::size_t vcpus, Ram& ram) {
  TRY(put_image(image, ram));
  TRY(put_page_tables(ram));
  TRY(put_value(ram, gdt, gdt_entries, "GDT"));
  TRY(put_start_info(image, files, ram));
  return put(ram, acpi_area, acpi_tables(acpi_area, vcpus), "ACPI tables");
}

void set_entry_state(const Image& image, std::size_t vcpu, x86::Regs& regs, x86::Sregs& sregs) {
  const bool long_mode = image.entry_kind == Image::Entry::long64;
  regs = {};
  regs.rflags = 2;
  regs.rip = image.entry;
  regs.rax = regs.rdi = vcpu;
  regs.rbx = start_info;
  sregs.cs = x86::flat(long_mode ? code64 : code32, 11, long_mode);
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = x86::flat(data, 3, false);
  sregs.gdt = {gdt, sizeof gdt_entries - 1, {}};
  sregs.idt = {0, 0, {}};
  sregs.tr = x86::Segment{};
  sregs.tr.limit = 0x67;
  sregs.tr.type = 11;
  sregs.tr.present = 1;
  sregs.cr0 = x86::cr0_pe | 0x10; // ET
  sregs.cr3 = sregs.cr4 = sregs.efer = 0;
  if (long_mode) {
    sregs.cr0 |= x86::cr0_pg;
    sregs.cr3 = page_tables;
    sregs.cr4 = x86::cr4_pae;
    sregs.efer = 0x100 | x86::efer_lma; // LME
  }
}

} // namespace kdbg::kvm
