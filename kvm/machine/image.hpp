#pragma once
/// Guest images: what a file asks to have in memory, and how it expects the CPU. ELF (bare, PVH,
/// multiboot 1) and Linux's bzImage are told by content, flat binaries and firmware by the user.
/// A hostile or broken file is an error that names the field. Knows no KVM.
#include "adapter/result.hpp"
#include "adapter/types.hpp"

#include <variant>

namespace kdbg::kvm {

struct Image {
  /// How the first instruction expects the CPU.
  enum class Entry : std::uint8_t {
    protected32,  ///< bare ELF32: flat 32-bit, paging off
    long64,       ///< bare ELF64: 64-bit, low 4 GiB mapped one to one
    pvh,          ///< PVH note: flat 32-bit, EBX = start info
    multiboot,    ///< multiboot 1: flat 32-bit, EAX = magic, EBX = information
    linux32,      ///< bzImage: flat 32-bit, ESI = zero page
    linux64,      ///< bzImage: 64-bit, RSI = zero page
    real16,       ///< flat binary: real mode, DL = 0x80, as a BIOS enters a boot sector
    reset_vector, ///< firmware: as the CPU comes out of reset, f000:fff0
    arm64,        ///< bare: EL1, MMU off, interrupts masked; X0 = vCPU, X1 = device tree
    arm64_linux,  ///< Image: the same; X0 = device tree
  };
  struct Segment {
    std::uint64_t physical = 0, memory_size = 0;
    ByteView bytes; ///< into the file; the rest up to memory_size is zero
  };
  Entry entry_kind = Entry::protected32;
  std::uint64_t entry = 0;       ///< linear
  std::vector<Segment> segments; ///< sorted, not overlapping
  std::uint64_t rom = 0;         ///< firmware: bytes of read-only memory that end at 4 GiB
  ByteView setup_header;         ///< bzImage: the file from setup_sects (0x1f1) to the header's end
};

/// A Linux kernel, by the boot protocol or by the banner that every uncompressed one has.
bool is_linux(const Image& image);

/// What a file is, where its content does not say.
struct ByContent {};
struct FlatAt {
  std::uint64_t address = 0;
};
struct Firmware {};
using ImageFormat = std::variant<ByContent, FlatAt, Firmware>;

inline constexpr std::uint16_t machine_x86_64 = 62, machine_arm64 = 183; // e_machine

/// `file` must outlive the image, which is for a machine of the ELF number `machine`. By content,
/// as QEMU's -kernel has it: on x86 bzImage before multiboot before a PVH note before bare ELF.
Result<Image> parse_image(ByteView file,
                          const ImageFormat& format = ByContent{},
                          std::uint16_t machine = machine_x86_64);

/// Entered as boot loaders or firmware do it: on one CPU, with interrupt controllers.
constexpr bool wants_interrupts(Image::Entry entry) {
  return entry != Image::Entry::protected32 && entry != Image::Entry::long64 &&
         entry != Image::Entry::arm64;
}

} // namespace kdbg::kvm
