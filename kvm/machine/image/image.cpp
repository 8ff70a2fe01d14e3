// Which format a file has, and what all formats share.
#include "kvm/machine/image/formats.hpp"

#include <algorithm>

namespace kdbg::kvm {
namespace image {
namespace {

constexpr std::uint64_t most_memory = std::uint64_t{1} << 46;

Status check_overlap(std::vector<Image::Segment>& segments) {
  if (segments.empty()) return bad("it has nothing to load");
  std::sort(segments.begin(), segments.end(),
            [](const auto& a, const auto& b) { return a.physical < b.physical; });
  for (std::size_t i = 1; i < segments.size(); ++i) {
    const auto& before = segments[i - 1];
    if (before.physical + before.memory_size > segments[i].physical) {
      return bad(fmt::format("the segments at {:#x} and {:#x} overlap", before.physical,
                             segments[i].physical));
    }
  }
  return Done{};
}

Result<Image> by_content(ByteView file) {
  if (file.empty()) return bad("it is empty");
  if (is_bzimage(file)) return parse_bzimage(file);
  if (const auto header = find_multiboot(file)) return parse_multiboot(file, *header);
  if (is_elf(file)) return parse_elf(file);
  return bad("it is not an ELF file, a multiboot kernel or a Linux bzImage; a flat binary needs "
             "--flat ADDR, firmware --firmware");
}

} // namespace

Error bad(std::string what) {
  return {Code::bad_request, "cannot load the image: " + std::move(what)};
}

Status add_segment(Image& image, std::string_view name, const Image::Segment& segment) {
  if (segment.memory_size == 0) return Done{};
  if (segment.bytes.size() > segment.memory_size || segment.memory_size > most_memory ||
      segment.physical > most_memory) {
    return bad(fmt::format("{}: {:#x} bytes in the file, {:#x} in memory at {:#x}", name,
                           segment.bytes.size(), segment.memory_size, segment.physical));
  }
  image.segments.push_back(segment);
  return Done{};
}

Status settle(Image& image) {
  TRY(check_overlap(image.segments));
  const auto holds = [&](const Image::Segment& segment) {
    return image.entry >= segment.physical && image.entry - segment.physical < segment.memory_size;
  };
  if (std::any_of(image.segments.begin(), image.segments.end(), holds)) return Done{};
  return bad(fmt::format("its entry point {:#x} is in no segment; segments are loaded at their "
                         "physical addresses, and execution starts there",
                         image.entry));
}

} // namespace image

Result<Image> parse_image(ByteView file, const ImageFormat& format) {
  if (const auto* flat = std::get_if<FlatAt>(&format)) {
    return image::place_flat(file, flat->address);
  }
  if (std::holds_alternative<Firmware>(format)) return image::place_firmware(file);
  return image::by_content(file);
}

} // namespace kdbg::kvm
