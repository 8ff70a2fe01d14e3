// Linux's bzImage (Documentation/arch/x86/boot.rst): the setup header and the protected-mode part.
#include "kvm/machine/image/formats.hpp"

#include <algorithm>

namespace kdbg::kvm::image {
namespace {

// Offsets in the file.
constexpr std::uint64_t setup_sects = 0x1f1, boot_flag = 0x1fe, jump_length = 0x201,
                        signature = 0x202, version = 0x206, loadflags = 0x211, relocatable = 0x234,
                        xloadflags = 0x236, pref_address = 0x258, init_size = 0x260;
constexpr std::uint32_t hdrs = 0x53726448; // "HdrS"
constexpr std::uint16_t least_version = 0x20a;
constexpr std::uint8_t loaded_high = 1;
constexpr std::uint16_t has_64_bit_entry = 1;
constexpr std::uint64_t sector = 512, default_sectors = 4, entry_64 = 0x200, below = 0x100000000;
/// Where the header must end in the zero page: what follows belongs to the loader.
constexpr std::uint64_t header_end_most = 0x290;

/// Relocatable kernels run where they like best, others at 1 MiB. `init_size` bytes from there are
/// the kernel's before it can look at the memory map.
Result<Image::Segment> place(ByteView file, ByteView code) {
  const bool movable = TRY(at<std::uint8_t>(file, relocatable, "relocatable_kernel")) != 0;
  const auto preferred = TRY(at<std::uint64_t>(file, pref_address, "pref_address"));
  const std::uint64_t needed = TRY(at<std::uint32_t>(file, init_size, "init_size"));
  const std::uint64_t start = movable ? preferred : 0x100000;
  if (start < 0x100000 || start >= below ||
      std::max<std::uint64_t>(needed, code.size()) > below - start) {
    return bad(fmt::format("pref_address {:#x} with init_size {:#x} is not between 1 MiB and 4 GiB",
                           start, needed));
  }
  return Image::Segment{start, std::max<std::uint64_t>(needed, code.size()), code};
}

} // namespace

bool is_bzimage(ByteView file) {
  auto found = at<std::uint32_t>(file, signature, "signature");
  auto flag = at<std::uint16_t>(file, boot_flag, "boot_flag");
  return found && flag && *found == hdrs && *flag == 0xaa55;
}

Result<Image> parse_bzimage(ByteView file) {
  const auto protocol = TRY(at<std::uint16_t>(file, version, "boot protocol version"));
  if (protocol < least_version) {
    return bad(fmt::format("its boot protocol {}.{:02} is older than 2.10 (Linux 2.6.31)",
                           protocol >> 8, protocol & 0xff));
  }
  if ((TRY(at<std::uint8_t>(file, loadflags, "loadflags")) & loaded_high) == 0) {
    return bad("it is a zImage, which is loaded low; only a bzImage can be");
  }
  const std::uint64_t header_end = signature + TRY(at<std::uint8_t>(file, jump_length, "jump"));
  if (header_end < init_size + 4 || header_end > header_end_most || header_end > file.size()) {
    return bad(fmt::format("its setup header ends at {:#x}, not between {:#x} and {:#x}",
                           header_end, init_size + 4, header_end_most));
  }
  const std::uint64_t sectors = TRY(at<std::uint8_t>(file, setup_sects, "setup_sects"));
  const std::uint64_t start = ((sectors == 0 ? default_sectors : sectors) + 1) * sector;
  if (start + entry_64 >= file.size()) {
    return bad(fmt::format("its kernel at offset {:#x} is beyond the end of the file ({} bytes)",
                           start, file.size()));
  }
  Image image;
  image.setup_header = file.subspan(setup_sects, header_end - setup_sects);
  const auto segment = TRY(place(file, file.subspan(start)));
  const bool wide = protocol >= 0x20c && (TRY(at<std::uint16_t>(file, xloadflags, "xloadflags")) &
                                          has_64_bit_entry) != 0;
  image.entry_kind = wide ? Image::Entry::linux64 : Image::Entry::linux32;
  image.entry = segment.physical + (wide ? entry_64 : 0);
  TRY(add_segment(image, "kernel", segment));
  TRY(settle(image));
  return image;
}

} // namespace kdbg::kvm::image
