// Linux: the zero page (Documentation/arch/x86/zero-page.rst) of the 32-bit and 64-bit protocols.
#include "kvm/machine/x86_64/boot/protocols.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace kdbg::kvm::boot {
namespace {

// Offsets in the zero page.
constexpr std::size_t acpi_rsdp = 0x070, e820_entries = 0x1e8, setup_header = 0x1f1,
                      vid_mode = 0x1fa, type_of_loader = 0x210, ramdisk_image = 0x218,
                      ramdisk_size = 0x21c, cmd_line_ptr = 0x228, initrd_addr_max = 0x22c,
                      cmdline_size = 0x238, e820_table = 0x2d0;
constexpr std::size_t page = 4096;
constexpr std::uint16_t normal_video = 0xffff;
constexpr std::uint8_t unknown_loader = 0xff;

/// 20 bytes each, without padding.
struct __attribute__((packed)) E820 {
  std::uint64_t address, size;
  std::uint32_t type;
};

template <class T>
void set(Bytes& zero_page, std::size_t at, T value) {
  std::memcpy(zero_page.data() + at, &value, sizeof value);
}
std::uint32_t get(const Bytes& zero_page, std::size_t at) {
  std::uint32_t out = 0;
  std::memcpy(&out, zero_page.data() + at, sizeof out);
  return out;
}

} // namespace

Status put_linux(const Image& image, const BootFiles& files, Ram& ram) {
  Bytes zero_page(page);
  std::copy(image.setup_header.begin(), image.setup_header.end(), zero_page.begin() + setup_header);
  if (const std::uint32_t most = get(zero_page, cmdline_size); files.command_line.size() > most) {
    return Error{Code::bad_request,
                 fmt::format("the command line is {} bytes, this kernel takes {}",
                             files.command_line.size(), most)};
  }
  TRY(put_command_line(ram, files.command_line));
  set(zero_page, type_of_loader, unknown_loader);
  set(zero_page, vid_mode, normal_video);
  set(zero_page, cmd_line_ptr, static_cast<std::uint32_t>(command_line));
  set(zero_page, acpi_rsdp, acpi_area);
  if (!files.initrd.empty()) {
    const std::uint64_t below = std::uint64_t{get(zero_page, initrd_addr_max)} + 1;
    const std::uint64_t at = TRY(put_initrd(image, files.initrd, below, ram));
    set(zero_page, ramdisk_image, static_cast<std::uint32_t>(at));
    set(zero_page, ramdisk_size, static_cast<std::uint32_t>(files.initrd.size()));
  }
  const auto map = memory_map(ram);
  for (std::size_t i = 0; i < map.size(); ++i) {
    set(zero_page, e820_table + i * sizeof(E820), E820{map[i].address, map[i].size, map[i].type});
  }
  set(zero_page, e820_entries, static_cast<std::uint8_t>(map.size()));
  return put(ram, information, zero_page, "zero page");
}

} // namespace kdbg::kvm::boot
