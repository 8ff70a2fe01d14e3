#pragma once
/// Guest images: ELF32 and ELF64 x86 executables, bare or with a PVH entry note (Debian's vmlinux
/// has one). A hostile or broken file is an error that names the field. Knows no KVM.
#include "adapter/result.hpp"
#include "adapter/types.hpp"

namespace kdbg::kvm {

struct Image {
  /// How the first instruction expects the CPU.
  enum class Entry : std::uint8_t {
    protected32, ///< bare ELF32: flat 32-bit, paging off
    long64,      ///< bare ELF64: 64-bit, low 4 GiB mapped one to one
    pvh,         ///< PVH note: flat 32-bit, EBX = start info
  };
  struct Segment {
    std::uint64_t physical = 0, memory_size = 0;
    ByteView bytes; ///< into the file; the rest up to memory_size is zero
  };
  Entry entry_kind = Entry::protected32;
  std::uint64_t entry = 0;
  std::vector<Segment> segments; ///< sorted, not overlapping
};

/// `file` must outlive the image.
Result<Image> parse_image(ByteView file);

} // namespace kdbg::kvm
