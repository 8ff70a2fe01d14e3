#include "kvm/arch/loongarch64/translate.hpp"

#include "kvm/arch/loongarch64/abi.hpp"

#include <fmt/format.h>

namespace kdbg::kvm::loongarch64 {
namespace {

constexpr unsigned physical_bits = 48, window_first = 60, virtual_bits = 48;
constexpr std::uint64_t physical_mask = (std::uint64_t{1} << physical_bits) - 1;

// A page table entry stands as in TLBELO; P and W are looked at by the hardware walker and Linux.
constexpr std::uint64_t entry_valid = 1u << 0, entry_dirty = 1u << 1, entry_huge = 1u << 6,
                        entry_present = 1u << 7, entry_write = 1u << 8;
constexpr std::uint64_t entry_no_read = 1ull << 61, entry_no_execute = 1ull << 62,
                        entry_this_level_only = 1ull << 63;
constexpr std::uint64_t address_bits = physical_mask & ~std::uint64_t{0xfff};

struct Level {
  unsigned shift = 0, index_bits = 0;
};

constexpr unsigned field(std::uint64_t value, unsigned first, unsigned bits) {
  return static_cast<unsigned>(value >> first & ((1u << bits) - 1));
}

/// From the top, as PWCH and PWCL lay them out; a level of no bits is not there.
std::array<Level, 5> levels_of(const Paging& paging) {
  return {{{field(paging.pwch, 12, 6), field(paging.pwch, 18, 6)},
           {field(paging.pwch, 0, 6), field(paging.pwch, 6, 6)},
           {field(paging.pwcl, 20, 5), field(paging.pwcl, 25, 5)},
           {field(paging.pwcl, 10, 5), field(paging.pwcl, 15, 5)},
           {field(paging.pwcl, 0, 5), field(paging.pwcl, 5, 5)}}};
}

/// The window that maps this address for one of the privilege levels in `plvs`, a mask.
std::optional<std::size_t> window(const Paging& paging, std::uint64_t address, std::uint64_t plvs) {
  for (std::size_t n = 0; n < paging.dmw.size(); ++n) {
    const std::uint64_t dmw = paging.dmw[n];
    if (dmw >> window_first == address >> window_first && (dmw & plvs) != 0) return n;
  }
  return {};
}

Translation
through_window(const Paging& paging, std::uint64_t address, std::size_t n, Detail detail) {
  constexpr std::uint64_t plv3 = 1u << 3;
  Translation out;
  out.physical = GuestPhys{address & physical_mask};
  out.user = (paging.dmw[n] & plv3) != 0;
  if (detail == Detail::levels) {
    const bool for_present = (paging.dmw[n] >> (paging.crmd & crmd_plv) & 1) != 0;
    out.levels.push_back(fmt::format("direct mapped window {}: {:#x}{}", n, paging.dmw[n],
                                     for_present ? "" : ", not for the present privilege level"));
  }
  return out;
}

Error fault(std::uint64_t address, std::string_view level, std::uint64_t at, std::uint64_t entry) {
  return {Code::memory_fault,
          fmt::format("{:#x}: no page ({} at {:#x} is {:#x})", address, level, at, entry)};
}

void fill_leaf(Translation& out, std::uint64_t entry, unsigned shift, std::uint64_t address) {
  constexpr unsigned plv_first = 2;
  constexpr std::uint64_t user_level = 3;
  out.page_size = std::uint64_t{1} << shift;
  out.writable = (entry & (entry_dirty | entry_write)) != 0;
  out.executable = (entry & entry_no_execute) == 0;
  out.user = (entry >> plv_first & 3) == user_level; // with RPLV for it alone, else for all
  out.accessed = (entry & entry_valid) != 0;
  out.dirty = (entry & entry_dirty) != 0;
  out.physical =
      GuestPhys{(entry & address_bits & ~(out.page_size - 1)) | (address & (out.page_size - 1))};
}

std::string
describe_entry(std::string_view level, std::uint64_t at, std::uint64_t entry, bool leaf) {
  std::string out = fmt::format("{} {:#x}: {:#x}", level, at, entry);
  if (leaf && (entry & entry_no_read) != 0) out += ", not readable";
  if (leaf && (entry & entry_this_level_only) != 0) out += ", for its privilege level alone";
  return out;
}

Result<Translation> walk_tables(const Paging& paging,
                                const GuestMemory& memory,
                                std::uint64_t address,
                                Detail detail,
                                std::uint64_t* hole) {
  constexpr std::string_view names[] = {"Dir4", "Dir3", "Dir2", "Dir1", "PT"};
  if (hole) *hole = std::uint64_t{1} << (virtual_bits - 1); // windows begin at multiples of it
  const auto high = static_cast<std::int64_t>(address) >> (virtual_bits - 1);
  if (high != 0 && high != -1) {
    return Error{Code::memory_fault, fmt::format("{:#x} is in no window and not a {}-bit address",
                                                 address, virtual_bits)};
  }
  Translation out;
  out.root = (high == 0 ? paging.pgdl : paging.pgdh) & address_bits;
  const auto levels = levels_of(paging);
  const unsigned entry_shift = 3 + field(paging.pwcl, 30, 2);
  std::uint64_t table = out.root;
  for (std::size_t depth = 0; depth < levels.size(); ++depth) {
    const Level level = levels[depth];
    const bool last = depth + 1 == levels.size();
    if (level.index_bits == 0) continue;
    const std::uint64_t index =
        address >> level.shift & ((std::uint64_t{1} << level.index_bits) - 1);
    const std::uint64_t at = table + (index << entry_shift);
    std::uint64_t entry = 0;
    if (hole) *hole = std::uint64_t{1} << level.shift;
    if (!memory.load(GuestPhys{at}, entry)) {
      return Error{Code::memory_fault, fmt::format("{:#x}: {} at physical {:#x} is not in memory",
                                                   address, names[depth], at)};
    }
    const bool leaf = last || (entry & entry_huge) != 0;
    if (detail == Detail::levels) {
      out.levels.push_back(describe_entry(names[depth], at, entry, leaf));
    }
    const std::uint64_t there = leaf ? entry_valid | entry_present : address_bits;
    if ((entry & there) == 0) return fault(address, names[depth], at, entry);
    if (leaf) {
      fill_leaf(out, entry, level.shift, address);
      return out;
    }
    table = entry & address_bits; // Linux stores a window's address, whose top is no part of it
  }
  return Error{Code::memory_fault, fmt::format("{:#x}: PWCL has no page table", address)};
}

} // namespace

std::uint64_t root_of(const Paging& paging) {
  return (paging.crmd & crmd_pg) != 0 ? paging.pgdl & address_bits : 0;
}

Result<Translation> walk(const Paging& paging,
                         const GuestMemory& memory,
                         std::uint64_t address,
                         Detail detail,
                         std::uint64_t* hole) {
  constexpr std::uint64_t any_level = 0xf;
  if ((paging.crmd & crmd_pg) == 0) {
    Translation out;
    out.physical = GuestPhys{address & physical_mask};
    if (detail == Detail::levels) out.levels.emplace_back("direct addressing: physical is virtual");
    return out;
  }
  const std::uint64_t present = std::uint64_t{1} << (paging.crmd & crmd_plv);
  if (const auto n = window(paging, address, present)) {
    return through_window(paging, address, *n, detail);
  }
  auto found = walk_tables(paging, memory, address, detail, hole);
  if (found) return found;
  if (const auto n = window(paging, address, any_level)) {
    return through_window(paging, address, *n, detail);
  }
  return found;
}

} // namespace kdbg::kvm::loongarch64
