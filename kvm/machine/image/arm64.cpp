// Linux's Image for arm64 (Documentation/arch/arm64/booting.rst, 4).
#include "kvm/machine/image/formats.hpp"

namespace kdbg::kvm::image {
namespace {

// Offsets in the file.
constexpr std::uint64_t text_offset = 8, image_size = 16, flags = 24, magic = 56;
constexpr std::uint32_t arm64_magic = 0x644d5241; // "ARM\x64"
constexpr std::uint64_t memory_start = 0x40000000, big_endian = 1, alignment = 0x200000;

} // namespace

bool is_arm64_image(ByteView file) {
  auto found = at<std::uint32_t>(file, magic, "magic");
  return found && *found == arm64_magic;
}

Result<Image> parse_arm64_image(ByteView file) {
  if ((TRY(at<std::uint64_t>(file, flags, "flags")) & big_endian) != 0) {
    return bad("it is big-endian");
  }
  const auto size = TRY(at<std::uint64_t>(file, image_size, "image_size"));
  const auto offset = TRY(at<std::uint64_t>(file, text_offset, "text_offset"));
  if (size < file.size() || offset >= alignment) {
    return bad(fmt::format("its image_size {:#x} is less than the file ({:#x} bytes), or its "
                           "text_offset {:#x} is {:#x} or more: it is older than Linux 3.17",
                           size, file.size(), offset, alignment));
  }
  Image image;
  image.entry_kind = Image::Entry::arm64_linux;
  image.entry = memory_start + offset;
  TRY(add_segment(image, "kernel", {image.entry, size, file}));
  TRY(settle(image));
  return image;
}

} // namespace kdbg::kvm::image
