// Multiboot 1 (Multiboot Specification version 0.6.96): an ELF file, or addresses in the header.
#include "kvm/machine/image/formats.hpp"

#include <algorithm>

namespace kdbg::kvm::image {
namespace {

constexpr std::uint32_t magic = 0x1badb002;
constexpr std::uint64_t search_end = 8192;
constexpr std::uint32_t addresses_given = 1u << 16;
/// Of those that a loader must understand: page-aligned modules, memory sizes, a video mode. There
/// is no display, so the information offers none; kernels fall back to the serial port.
constexpr std::uint32_t known = 7, must_be_known = 0xffff;

struct Header { // 3.1.1
  std::uint32_t magic, flags, checksum;
};
struct Addresses { // 3.1.3, when flag 16 is set
  std::uint32_t header, load, load_end, bss_end, entry;
};

/// The "a.out kludge": one piece, whose place in the file follows from the header's.
Result<Image> by_addresses(ByteView file, std::uint64_t header_at) {
  const auto a = TRY(at<Addresses>(file, header_at + sizeof(Header), "multiboot addresses"));
  if (a.load > a.header || a.header - a.load > header_at) {
    return bad(fmt::format("multiboot load_addr {:#x} lies before the file, whose header at offset "
                           "{:#x} has header_addr {:#x}",
                           a.load, header_at, a.header));
  }
  const std::uint64_t offset = header_at - (a.header - a.load);
  const std::uint64_t size = a.load_end == 0       ? file.size() - offset
                             : a.load_end > a.load ? std::uint64_t{a.load_end} - a.load
                                                   : 0;
  if (size == 0 || size > file.size() - offset) {
    return bad(fmt::format("multiboot load_addr {:#x} to load_end_addr {:#x} is not in the file "
                           "({} bytes from offset {:#x})",
                           a.load, a.load_end, file.size() - offset, offset));
  }
  const std::uint64_t end = std::max<std::uint64_t>(a.bss_end, a.load + size);
  Image image;
  image.entry = a.entry;
  TRY(add_segment(image, "multiboot image", {a.load, end - a.load, file.subspan(offset, size)}));
  TRY(settle(image));
  return image;
}

} // namespace

std::optional<std::uint64_t> find_multiboot(ByteView file) {
  const std::uint64_t end = std::min<std::uint64_t>(file.size(), search_end);
  for (std::uint64_t offset = 0; offset + sizeof(Header) <= end; offset += 4) {
    auto header = at<Header>(file, offset, "multiboot header");
    if (header && header->magic == magic && header->magic + header->flags + header->checksum == 0) {
      return offset;
    }
  }
  return {};
}

Result<Image> parse_multiboot(ByteView file, std::uint64_t header_at) {
  const auto header = TRY(at<Header>(file, header_at, "multiboot header"));
  if (const std::uint32_t unknown = header.flags & must_be_known & ~known; unknown != 0) {
    return bad(fmt::format("multiboot flags {:#x} ask for {:#x}, which this loader does not know",
                           header.flags, unknown));
  }
  const bool by_header = (header.flags & addresses_given) != 0;
  if (!by_header && !is_elf(file)) {
    return bad("it has a multiboot header without load addresses (flag 16) and is not an ELF file");
  }
  Image image = TRY(by_header ? by_addresses(file, header_at)
                              : parse_elf(file, machine_x86_64, Notes::ignored));
  image.entry_kind = Image::Entry::multiboot;
  return image;
}

} // namespace kdbg::kvm::image
