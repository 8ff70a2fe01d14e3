#pragma once
/// One parser for each image format, and what they share. See kvm/machine/image.hpp.
#include "kvm/machine/image.hpp"

#include <cstring>
#include <fmt/format.h>
#include <optional>

namespace kdbg::kvm::image {

/// "cannot load the image: ..."
Error bad(std::string what);

/// The image is for another machine than the one that is wanted; both by e_machine.
Error wrong_machine(std::uint16_t machine, std::uint16_t wanted, unsigned bits = 64);

/// A value in the file; one that is not whole in it is an error that names it as `what`.
template <class T>
Result<T> at(ByteView file, std::uint64_t offset, std::string_view what) {
  if (offset > file.size() || file.size() - offset < sizeof(T)) {
    return bad(fmt::format("{} at offset {:#x} is beyond the end of the file ({} bytes)", what,
                           offset, file.size()));
  }
  T out;
  std::memcpy(&out, file.data() + offset, sizeof out);
  return out;
}

/// The next segment, if it makes sense; `name` is for errors. One without memory is left out.
Status add_segment(Image& image, std::string_view name, const Image::Segment& segment);
/// Sorts the segments; an error when they overlap, or when the entry is in none of them.
Status settle(Image& image);

bool is_bzimage(ByteView file);
Result<Image> parse_bzimage(ByteView file);

/// Where the multiboot 1 header is, if the file has one.
std::optional<std::uint64_t> find_multiboot(ByteView file);
Result<Image> parse_multiboot(ByteView file, std::uint64_t header_at);

bool is_arm64_image(ByteView file);
Result<Image> parse_arm64_image(ByteView file);

bool is_elf(ByteView file);
enum class Notes : std::uint8_t { obeyed, ignored };
/// Bare, or with a PVH note, unless notes are ignored.
Result<Image> parse_elf(ByteView file, std::uint16_t machine, Notes notes = Notes::obeyed);

Result<Image> place_flat(ByteView file, std::uint64_t address, std::uint16_t machine);
Result<Image> place_firmware(ByteView file);

} // namespace kdbg::kvm::image
