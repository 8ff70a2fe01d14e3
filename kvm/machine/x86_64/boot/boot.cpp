// What all boot protocols share, and which image gets which.
#include "kvm/machine/x86_64/acpi.hpp"
#include "kvm/machine/x86_64/boot/protocols.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace kdbg::kvm {
namespace boot {
namespace {

constexpr std::uint64_t flat_code32 = 0x00cf9b000000ffff, flat_data = 0x00cf93000000ffff,
                        flat_code64 = 0x00af9b000000ffff;
constexpr std::uint64_t gdt_entries[] = {0, flat_code32, flat_data, flat_code64};
constexpr std::uint16_t code32 = 0x08, data = 0x10, code64 = 0x18;
// Linux insists on these selectors: __BOOT_CS and __BOOT_DS.
constexpr std::uint16_t linux_code = 0x10, linux_data = 0x18;
constexpr std::uint32_t multiboot_magic = 0x2badb002;

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

/// Flat binaries and firmware may be anywhere: they get no boot data of ours.
bool needs_boot_data(Image::Entry entry) {
  return entry != Image::Entry::real16 && entry != Image::Entry::reset_vector;
}

Status put_image(const Image& image, Ram& ram) {
  const bool reserved = needs_boot_data(image.entry_kind);
  for (const auto& segment : image.segments) {
    const std::uint64_t end = segment.physical + segment.memory_size;
    const auto hits = [&](std::uint64_t from, std::uint64_t to) {
      return segment.physical < to && from < end;
    };
    if (reserved && (hits(boot_area, boot_area_end) || hits(acpi_area, acpi_area_end))) {
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

Status put_information(const Image& image, const BootFiles& files, Ram& ram) {
  switch (image.entry_kind) {
  case Image::Entry::multiboot:
    return put_multiboot(image, files, ram);
  case Image::Entry::linux32:
  case Image::Entry::linux64:
    return put_linux(image, files, ram);
  default:
    return put_pvh(image, files, ram); // bare images may look at it, too
  }
}

/// What a flat binary and firmware cannot be given is refused rather than dropped.
Status check_files(const BootFiles& files) {
  if (files.initrd.empty() && files.command_line.empty()) return Done{};
  return Error{Code::bad_request,
               "--append and --initrd mean nothing to a flat binary or to firmware"};
}

void enter_real_mode(const Image& image, x86::Regs& regs, x86::Sregs& sregs) {
  constexpr std::uint64_t first_disk = 0x80, stack = 0x7c00, one_segment = 0x10000;
  const std::uint64_t segment = image.entry < one_segment ? 0 : image.entry >> 4;
  regs.rip = image.entry - (segment << 4);
  regs.rdx = first_disk;
  regs.rsp = stack;
  sregs.cs.selector = static_cast<std::uint16_t>(segment);
  sregs.cs.base = segment << 4;
}

void enter_flat(bool long_mode, std::uint16_t code, std::uint16_t data_of, x86::Sregs& sregs) {
  sregs.cs = x86::flat(code, 11, long_mode);
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = x86::flat(data_of, 3, false);
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

} // namespace

Status put(Ram& ram, std::uint64_t at, ByteView bytes, std::string_view what) {
  if (ram.write(GuestPhys{at}, bytes) == bytes.size()) return Done{};
  return Error{
      Code::bad_request,
      fmt::format("{} ({} bytes at {:#x}) does not fit the memory; give it more with --memory",
                  what, bytes.size(), at)};
}

std::vector<MapEntry> memory_map(const Ram& ram) {
  std::vector<MapEntry> out{{0, low_memory_end}, {low_memory_end, high_memory - low_memory_end, 2}};
  for (const auto& range : ram.ranges()) {
    const std::uint64_t start = std::max(range.start, high_memory),
                        end = range.start + range.bytes.size();
    if (end > start) out.push_back({start, end - start});
  }
  return out;
}

Status put_command_line(Ram& ram, const std::string& text) {
  if (text.size() > command_line_most) {
    return Error{Code::bad_request, fmt::format("the command line is {} bytes, at most {} fit",
                                                text.size(), command_line_most)};
  }
  return put(ram, command_line, std::as_bytes(std::span(text.c_str(), text.size() + 1)),
             "command line");
}

Result<std::uint64_t>
put_initrd(const Image& image, ByteView initrd, std::uint64_t below, Ram& ram) {
  const auto& low = ram.ranges().front();
  const std::uint64_t top = std::min(low.start + low.bytes.size(), below);
  std::uint64_t image_end = high_memory;
  for (const auto& segment : image.segments) {
    image_end = std::max(image_end, segment.physical + segment.memory_size);
  }
  const std::uint64_t start =
      initrd.size() < top ? (top - initrd.size()) & ~std::uint64_t{0xfff} : 0;
  if (start < image_end) {
    return Error{
        Code::bad_request,
        fmt::format(
            "the initrd ({} bytes) does not fit between the image (up to {:#x}) and the end "
            "of memory ({:#x}); give it more with --memory",
            initrd.size(), image_end, top)};
  }
  TRY(put(ram, start, initrd, "the initrd"));
  return start;
}

} // namespace boot

Status load(const Image& image, const BootFiles& files, std::size_t vcpus, Ram& ram) {
  using namespace boot;
  if (!needs_boot_data(image.entry_kind)) {
    TRY(check_files(files));
    if (image.entry_kind == Image::Entry::real16) TRY(put_real_mode(ram));
    return put_image(image, ram);
  }
  TRY(put_image(image, ram));
  TRY(put_page_tables(ram));
  TRY(put_value(ram, gdt, gdt_entries, "GDT"));
  const bool wide = image.entry_kind == Image::Entry::linux64;
  const std::uint64_t for_linux[] = {0, 0, wide ? flat_code64 : flat_code32, flat_data};
  TRY(put_value(ram, linux_gdt, for_linux, "GDT"));
  TRY(put_information(image, files, ram));
  return put(ram, acpi_area, acpi_tables(acpi_area, vcpus), "ACPI tables");
}

void set_entry_state(const Image& image, std::size_t vcpu, x86::Regs& regs, x86::Sregs& sregs) {
  using namespace boot;
  using Entry = Image::Entry;
  const Entry kind = image.entry_kind;
  if (kind == Entry::reset_vector) return; // KVM's new vCPU is there
  regs = {};
  regs.rflags = 2;
  regs.rax = regs.rdi = vcpu;
  if (kind == Entry::real16) return enter_real_mode(image, regs, sregs);
  regs.rip = image.entry;
  if (kind == Entry::linux32 || kind == Entry::linux64) {
    regs.rsi = information;
    sregs.gdt = {linux_gdt, 4 * sizeof(std::uint64_t) - 1, {}};
    return enter_flat(kind == Entry::linux64, linux_code, linux_data, sregs);
  }
  regs.rbx = information;
  if (kind == Entry::multiboot) regs.rax = multiboot_magic;
  sregs.gdt = {gdt, sizeof gdt_entries - 1, {}};
  const bool long_mode = kind == Entry::long64;
  enter_flat(long_mode, long_mode ? code64 : code32, data, sregs);
}

} // namespace kdbg::kvm
