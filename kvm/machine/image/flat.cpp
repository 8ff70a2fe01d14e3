// Images without a header: flat binaries and firmware.
#include "kvm/machine/image/formats.hpp"

namespace kdbg::kvm::image {
namespace {

constexpr std::uint64_t real_mode_end = 0x100000, four_gib = 0x100000000;
constexpr std::uint64_t firmware_most = std::uint64_t{16} << 20,
                        low_part = std::uint64_t{256} << 10;
constexpr std::uint64_t reset_at = four_gib - 16;

} // namespace

Result<Image> place_flat(ByteView file, std::uint64_t address, std::uint16_t machine) {
  if (file.empty()) return bad("it is empty");
  const bool real_mode = machine == machine_x86_64;
  if (real_mode && address >= real_mode_end) {
    return bad(fmt::format("--flat {:#x}: real mode reaches addresses below {:#x} only", address,
                           real_mode_end));
  }
  Image image;
  image.entry_kind = real_mode ? Image::Entry::real16 : Image::Entry::arm64;
  image.entry = address;
  TRY(add_segment(image, "flat binary", {address, file.size(), file}));
  TRY(settle(image));
  return image;
}

Result<Image> place_firmware(ByteView file) {
  if (file.empty() || file.size() % 4096 != 0 || file.size() > firmware_most) {
    return bad(fmt::format("firmware is whole 4 KiB pages, at most {} bytes; this file has {}",
                           firmware_most, file.size()));
  }
  Image image;
  image.entry_kind = Image::Entry::reset_vector;
  image.entry = reset_at;
  image.rom = file.size();
  const std::uint64_t low = std::min<std::uint64_t>(file.size(), low_part);
  TRY(add_segment(image, "firmware", {real_mode_end - low, low, file.last(low)}));
  TRY(add_segment(image, "firmware", {four_gib - file.size(), file.size(), file}));
  TRY(settle(image));
  return image;
}

} // namespace kdbg::kvm::image
