#include "kvm/arch/x86_64/translate.hpp"

#include "kvm/arch.hpp"
#include "kvm/arch/x86_64/abi.hpp"

#include <fmt/format.h>

namespace kdbg::kvm::x86 {
namespace {

constexpr std::uint64_t present = 1, writable = 2, user = 4, accessed = 1u << 5, dirty = 1u << 6,
                        large = 1u << 7;
constexpr std::uint64_t no_execute = 1ull << 63;
constexpr std::uint64_t address_bits = 0x000ffffffffff000;

/// One level of one paging mode, top first.
struct Level {
  const char* name;
  unsigned shift; ///< of the linear address
  unsigned index_bits;
  bool may_be_large;    ///< the PS bit ends the walk here
  bool has_permissions; ///< a PAE PDPTE has none
};
constexpr Level pml5{"PML5E", 48, 9, false, true}, pml4{"PML4E", 39, 9, false, true};
constexpr Level pdpt{"PDPTE", 30, 9, true, true}, pae_pdpt{"PDPTE", 30, 2, false, false};
constexpr Level pd{"PDE", 21, 9, true, true}, pt{"PTE", 12, 9, false, true};
constexpr Level legacy_pd{"PDE", 22, 10, true, true}, legacy_pt{"PTE", 12, 10, false, true};

constexpr Level five_levels[] = {pml5, pml4, pdpt, pd, pt}, four_levels[] = {pml4, pdpt, pd, pt};
constexpr Level pae_levels[] = {pae_pdpt, pd, pt}, legacy_levels[] = {legacy_pd, legacy_pt};

struct Mode {
  std::span<const Level> levels;
  unsigned entry_bytes;
  std::uint64_t root;
};

Mode mode_of(const Paging& paging) {
  const bool pae = (paging.cr4 & cr4_pae) != 0;
  if ((paging.efer & efer_lma) != 0) {
    if ((paging.cr4 & cr4_la57) != 0) {
      return {five_levels, 8, paging.cr3 & address_bits};
    }
    return {four_levels, 8, paging.cr3 & address_bits};
  }
  if (pae) return {pae_levels, 8, paging.cr3 & 0xffffffe0};
  return {legacy_levels, 4, paging.cr3 & 0xfffff000};
}

/// A large page of 32-bit paging keeps physical bits 32-39 in bits 13-20 (PSE-36).
std::uint64_t frame_of(std::uint64_t entry, unsigned shift, unsigned entry_bytes) {
  const std::uint64_t offset_mask = (std::uint64_t{1} << shift) - 1;
  if (entry_bytes == 4 && shift == 22) {
    return (entry & 0xffc00000) | ((entry >> 13 & 0xff) << 32);
  }
  return entry & address_bits & ~offset_mask;
}

unsigned address_bits_of(const Paging& paging) {
  if ((paging.efer & efer_lma) == 0) return 32;
  return (paging.cr4 & cr4_la57) != 0 ? 57 : 48;
}

Status canonical(const Paging& paging, std::uint64_t linear) {
  if ((paging.efer & efer_lma) == 0) {
    if (linear >> 32 == 0) return Done{};
    return Error{Code::memory_fault,
                 fmt::format("{:#x} is beyond 32-bit linear addresses", linear)};
  }
  const auto high = static_cast<std::int64_t>(linear) >> (address_bits_of(paging) - 1);
  if (high == 0 || high == -1) return Done{};
  return Error{Code::memory_fault, fmt::format("{:#x} is not canonical", linear)};
}

Result<std::uint64_t> present_entry(const GuestMemory& memory,
                                    const Level& level,
                                    GuestPhys at,
                                    unsigned bytes,
                                    std::uint64_t linear) {
  std::uint64_t entry = 0;
  const auto raw = std::as_writable_bytes(std::span(&entry, 1)).first(bytes);
  if (memory.read(at, raw) != raw.size()) {
    return Error{Code::memory_fault, fmt::format("{:#x}: {} at physical {:#x} is not in memory",
                                                 linear, level.name, at.value)};
  }
  if ((entry & present) != 0) return entry;
  return Error{Code::memory_fault, fmt::format("{:#x}: no page ({} at {:#x} is {:#x})", linear,
                                               level.name, at.value, entry)};
}

/// What every level has to allow.
void apply_permissions(Translation& out,
                       const Paging& paging,
                       const Level& level,
                       std::uint64_t entry) {
  if (level.has_permissions) {
    out.writable = out.writable && (entry & writable) != 0;
    out.user = out.user && (entry & user) != 0;
  }
  if ((paging.efer & efer_nxe) != 0 && (entry & no_execute) != 0) out.executable = false;
}

} // namespace

Result<Translation> walk(const Paging& paging,
                         const GuestMemory& memory,
                         std::uint64_t linear,
                         Detail detail,
                         std::uint64_t* hole) {
  Translation out;
  if ((paging.cr0 & cr0_pg) == 0) {
    out.physical = GuestPhys{linear};
    if (detail == Detail::levels) out.levels.emplace_back("paging off: physical is linear");
    return out;
  }
  if (auto good = canonical(paging, linear); !good) {
    if (hole) *hole = hole_outside(linear, address_bits_of(paging));
    return good.error();
  }
  const Mode mode = mode_of(paging);
  out.root = mode.root;
  std::uint64_t table = mode.root;
  for (std::size_t depth = 0; depth < mode.levels.size(); ++depth) {
    const Level& level = mode.levels[depth];
    const std::uint64_t index = linear >> level.shift & ((1u << level.index_bits) - 1);
    const GuestPhys at{table + index * mode.entry_bytes};
    if (hole) *hole = std::uint64_t{1} << level.shift;
    const std::uint64_t entry = TRY(present_entry(memory, level, at, mode.entry_bytes, linear));
    if (detail == Detail::levels) {
      out.levels.push_back(fmt::format("{} {:#x}: {:#x}", level.name, at.value, entry));
    }
    apply_permissions(out, paging, level, entry);
    const bool page_size_bit = (entry & large) != 0 && level.may_be_large &&
                               (mode.entry_bytes == 8 || (paging.cr4 & cr4_pse) != 0);
    if (page_size_bit || depth + 1 == mode.levels.size()) {
      out.page_size = std::uint64_t{1} << level.shift;
      out.accessed = (entry & accessed) != 0;
      out.dirty = (entry & dirty) != 0;
      out.physical = GuestPhys{frame_of(entry, level.shift, mode.entry_bytes) +
                               (linear & (out.page_size - 1))};
      return out;
    }
    table = entry & address_bits & (mode.entry_bytes == 4 ? 0xfffff000 : ~std::uint64_t{0});
  }
  return Error{Code::memory_fault, "page walk did not end"};
}

} // namespace kdbg::kvm::x86
