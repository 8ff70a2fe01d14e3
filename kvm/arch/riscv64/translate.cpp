#include "kvm/arch/riscv64/translate.hpp"

#include "kvm/arch.hpp"

#include <fmt/format.h>

namespace kdbg::kvm::riscv64 {
namespace {

constexpr std::uint64_t valid = 1u << 0, readable = 1u << 1, writable = 1u << 2,
                        executable = 1u << 3, user = 1u << 4, accessed = 1u << 6, dirty = 1u << 7;
constexpr std::uint64_t reserved = 0x7full << 54, naturally_aligned = 1ull << 63;
constexpr unsigned memory_type_first = 61; ///< Svpbmt: two bits, of which 3 is reserved
constexpr std::uint64_t page_number_bits = (1ull << 44) - 1;
constexpr unsigned page_shift = 12, index_bits = 9, mode_first = 60, number_first = 10;
constexpr std::uint64_t mode_sv39 = 8, mode_sv57 = 10; // Sv48 is between them

/// Levels of the tables; 0 for Bare and for what is reserved.
unsigned levels_of(std::uint64_t satp) {
  const std::uint64_t mode = satp >> mode_first;
  return mode >= mode_sv39 && mode <= mode_sv57 ? static_cast<unsigned>(mode - mode_sv39) + 3 : 0;
}

unsigned shift_of(unsigned level) {
  return page_shift + index_bits * level;
}

Error fault(std::uint64_t address,
            unsigned level,
            GuestPhys at,
            std::uint64_t entry,
            std::string_view why) {
  return {Code::memory_fault, fmt::format("{:#x}: {} (level {} entry at {:#x} is {:#x})", address,
                                          why, level, at.value, entry)};
}

/// Why this entry ends in a fault; empty when it does not.
std::string_view objection(std::uint64_t entry, unsigned level) {
  const bool leaf = (entry & (readable | executable)) != 0;
  const std::uint64_t number = entry >> number_first & page_number_bits;
  const std::uint64_t within = (std::uint64_t{1} << (index_bits * level)) - 1;
  constexpr std::uint64_t napot_64k = 8; // the one size that Svnapot has
  if ((entry & valid) == 0) return "no page";
  if ((entry & reserved) != 0 || entry >> memory_type_first == 3) return "reserved bits are set";
  if ((entry & (readable | writable)) == writable) return "writable and not readable is reserved";
  if (!leaf) {
    if (level == 0) return "the last level points on";
    const bool extra = (entry & (user | accessed | dirty | naturally_aligned)) != 0;
    return extra || (entry >> memory_type_first & 3) != 0 ? "reserved bits of a pointer are set"
                                                          : "";
  }
  if ((entry & naturally_aligned) != 0 && (level != 0 || (number & 0xf) != napot_64k)) {
    return "a naturally aligned range of reserved size";
  }
  return (number & within) != 0 ? "misaligned superpage" : "";
}

void fill_leaf(Translation& out, std::uint64_t entry, unsigned level, std::uint64_t address) {
  constexpr unsigned napot_shift = 16;
  const unsigned shift = (entry & naturally_aligned) != 0 ? napot_shift : shift_of(level);
  out.page_size = std::uint64_t{1} << shift;
  out.writable = (entry & writable) != 0;
  out.executable = (entry & executable) != 0;
  out.user = (entry & user) != 0;
  out.accessed = (entry & accessed) != 0;
  out.dirty = (entry & dirty) != 0;
  const std::uint64_t frame = (entry >> number_first & page_number_bits) << page_shift;
  out.physical = GuestPhys{(frame & ~(out.page_size - 1)) | (address & (out.page_size - 1))};
}

} // namespace

std::string mode_name(std::uint64_t satp) {
  const std::uint64_t mode = satp >> mode_first;
  if (mode == 0) return "bare";
  const unsigned levels = levels_of(satp);
  if (levels == 0) return fmt::format("reserved mode {}", mode);
  return fmt::format("Sv{}", shift_of(levels));
}

std::uint64_t root_of(std::uint64_t satp) {
  return levels_of(satp) == 0 ? 0 : (satp & page_number_bits) << page_shift;
}

std::uint64_t with_root(std::uint64_t satp, std::uint64_t root) {
  if (root >> mode_first != 0) return root;
  const std::uint64_t mode = satp >> mode_first == 0 ? mode_sv39 : satp >> mode_first;
  return mode << mode_first | root >> page_shift;
}

Result<Translation> walk(std::uint64_t satp,
                         const GuestMemory& memory,
                         std::uint64_t address,
                         Detail detail,
                         std::uint64_t* hole) {
  Translation out;
  const unsigned levels = levels_of(satp);
  if (satp >> mode_first == 0) {
    out.physical = GuestPhys{address};
    if (detail == Detail::levels) out.levels.emplace_back("satp is bare: physical is virtual");
    return out;
  }
  if (levels == 0) {
    return Error{Code::memory_fault, fmt::format("{:#x}: satp has {}", address, mode_name(satp))};
  }
  if (hole) *hole = hole_outside(address, shift_of(levels));
  const auto high = static_cast<std::int64_t>(address) >> (shift_of(levels) - 1);
  if (high != 0 && high != -1) {
    return Error{Code::memory_fault,
                 fmt::format("{:#x} is not an {} address", address, mode_name(satp))};
  }
  out.root = root_of(satp);
  std::uint64_t table = out.root;
  for (unsigned level = levels; level-- != 0;) {
    const std::uint64_t index = address >> shift_of(level) & ((1u << index_bits) - 1);
    const GuestPhys at{table + 8 * index};
    if (hole) *hole = std::uint64_t{1} << shift_of(level);
    std::uint64_t entry = 0;
    if (!memory.load(at, entry)) {
      return Error{Code::memory_fault,
                   fmt::format("{:#x}: level {} entry at physical {:#x} is not in memory", address,
                               level, at.value)};
    }
    if (const auto why = objection(entry, level); !why.empty()) {
      return fault(address, level, at, entry, why);
    }
    if (detail == Detail::levels) {
      out.levels.push_back(fmt::format("level {} {:#x}: {:#x}", level, at.value, entry));
    }
    if ((entry & (readable | executable)) != 0) {
      fill_leaf(out, entry, level, address);
      return out;
    }
    table = (entry >> number_first & page_number_bits) << page_shift;
  }
  return Error{Code::memory_fault, "page walk did not end"};
}

} // namespace kdbg::kvm::riscv64
