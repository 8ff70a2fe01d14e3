#pragma once
/// What stands before the memory in a core file of the guest's physical memory, and how to read it.
/// ELF64, ET_CORE: notes of every vCPU (ArchInfo::core_notes), one PT_LOAD for each range of
/// memory.
#include "adapter/target.hpp"

#include <optional>

namespace kdbg {

/// How far a search for the kernel's VMCOREINFO note has come. Neither: it is over, without one.
struct CoreSearch {
  std::optional<std::uint64_t> found; ///< guest-physical
  std::optional<std::uint64_t> next;  ///< go on from here
};
/// Looks from `from` on through a few thousand pages at most, so that nobody waits long.
Result<CoreSearch> search_vmcoreinfo(Target& target, std::uint64_t from);

/// ELF header, program headers and notes, up to where the memory begins (a whole page). p_paddr is
/// the guest-physical address, p_vaddr 0. With the VMCOREINFO note at `vmcoreinfo`, if there is
/// one. Needs a stopped guest.
Result<Bytes> render_core_header(Target& target, std::optional<std::uint64_t> vmcoreinfo = {});

/// One range of memory in a core file.
struct CoreSegment {
  std::uint64_t offset = 0; ///< in the file
  MemoryRange memory;
};
/// The PT_LOAD headers of what `render_core_header` made: from another program perhaps, so every
/// field is checked.
Result<std::vector<CoreSegment>> core_segments(ByteView header);

} // namespace kdbg
