// Which format a file has, and what all formats share.
#include "kvm/machine/image/formats.hpp"

#include <algorithm>
#include <elf.h>

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

Result<Image> by_content(ByteView file, std::uint16_t machine) {
  if (file.empty()) return bad("it is empty");
  if (is_bzimage(file)) {
    return machine == machine_x86_64 ? parse_bzimage(file) : wrong_machine(machine_x86_64, machine);
  }
  if (is_arm64_image(file)) {
    return machine == machine_arm64 ? parse_arm64_image(file)
                                    : wrong_machine(machine_arm64, machine);
  }
  const auto header =
      machine == machine_x86_64 ? find_multiboot(file) : std::optional<std::uint64_t>{};
  if (header) return parse_multiboot(file, *header);
  if (is_elf(file)) return parse_elf(file, machine);
  return bad("it is not an ELF file, a multiboot kernel or a Linux bzImage or Image; a flat binary "
             "needs --flat ADDR, firmware --firmware");
}

} // namespace

Error bad(std::string what) {
  return {Code::bad_request, "cannot load the image: " + std::move(what)};
}

Error wrong_machine(std::uint16_t machine, std::uint16_t wanted, unsigned bits) {
  constexpr std::pair<std::uint16_t, std::string_view> names[] = {
      {EM_386, "i386"},
      {EM_X86_64, "x86_64"},
      {EM_AARCH64, "aarch64"},
      {EM_RISCV, "riscv64"},
      {EM_LOONGARCH, "loongarch64"},
      {EM_S390, "s390x"},
      {EM_PPC64, "ppc64"},
      {EM_PPC, "ppc"},
      {EM_MIPS, "mips"},
      {EM_ARM, "arm"},
  };
  const auto name = [&](std::uint16_t number) {
    for (const auto& [known, text] : names) {
      if (known == number) return std::string(text);
    }
    return fmt::format("ELF machine {}", number);
  };
  std::string why =
      fmt::format("it is for {}-bit {}, this machine is {}; KVM runs guests of the host's CPU "
                  "family",
                  bits, name(machine), name(wanted));
  const bool unknown =
      machine == EM_S390 || machine == EM_PPC64 || machine == EM_PPC || machine == EM_MIPS;
  if (unknown) why += ", and kvmdbg speaks no debug interface of that one's KVM";
  return bad(std::move(why));
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

bool is_linux(const Image& image) {
  constexpr Image::Entry of_linux[] = {Image::Entry::linux32, Image::Entry::linux64,
                                       Image::Entry::arm64_linux};
  if (std::find(std::begin(of_linux), std::end(of_linux), image.entry_kind) != std::end(of_linux)) {
    return true;
  }
  constexpr std::string_view banner = "Linux version ";
  return std::any_of(image.segments.begin(), image.segments.end(), [&](const auto& segment) {
    const std::string_view text(reinterpret_cast<const char*>(segment.bytes.data()),
                                segment.bytes.size());
    return text.find(banner) != std::string_view::npos;
  });
}

Result<Image> parse_image(ByteView file, const ImageFormat& format, std::uint16_t machine) {
  if (const auto* flat = std::get_if<FlatAt>(&format)) {
    return image::place_flat(file, flat->address, machine);
  }
  if (!std::holds_alternative<Firmware>(format)) return image::by_content(file, machine);
  if (machine == machine_x86_64) return image::place_firmware(file);
  return image::bad("--firmware is for x86; firmware of other machines is loaded with --flat ADDR");
}

} // namespace kdbg::kvm
