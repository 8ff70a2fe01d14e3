#include "kvm/arch/arm64/translate.hpp"

#include "kvm/arch/arm64/abi.hpp"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

namespace kdbg::kvm::arm64 {
namespace {

constexpr std::uint64_t bit(unsigned n) {
  return std::uint64_t{1} << n;
}
constexpr std::uint64_t ones(unsigned n) {
  return n >= 64 ? ~std::uint64_t{0} : bit(n) - 1;
}

// TCR_EL1 (D19.2.139)
constexpr std::uint64_t tcr_hd = bit(40), tcr_ds = bit(59);
constexpr std::uint64_t ips_52_bits = 6;
/// Tells the halves of the address space apart.
constexpr unsigned half_at = 55;
// descriptors (D8.3)
constexpr std::uint64_t valid = 1, table_or_page = 2, user = bit(6), read_only = bit(7),
                        accessed = bit(10), dirty_modifier = bit(51), kernel_no_execute = bit(53),
                        user_no_execute = bit(54);
constexpr std::uint64_t table_kernel_no_execute = bit(59), table_user_no_execute = bit(60),
                        table_no_user = bit(61), table_read_only = bit(62);

/// One half of the address space, as its fields of TCR say.
struct Range {
  const char* name;
  unsigned size_at, granule_at, walks_off_at, tag_at, no_permissions_at; ///< bits of TCR_EL1
  std::array<unsigned, 4> granule_bits; ///< by the granule field; 0: reserved
};
constexpr Range low{"TTBR0", 0, 14, 7, 37, 41, {12, 16, 14, 0}};
constexpr Range high{"TTBR1", 16, 30, 23, 38, 42, {0, 14, 12, 16}};

/// How this walk goes.
struct Shape {
  unsigned granule = 12;   ///< bits of an offset in a page
  unsigned va_bits = 48;   ///< of an address that are translated
  int first_level = 0;     ///< -1 to 3
  bool wide = false;       ///< 52-bit physical addresses
  bool permissions = true; ///< table descriptors limit what is below them
  std::uint64_t root = 0;
  unsigned stride() const { return granule - 3; }
  unsigned shift(int level) const { return granule + stride() * static_cast<unsigned>(3 - level); }
  /// Physical address in a descriptor (D8.3.1): the top bits move where 52 are in use.
  std::uint64_t address(std::uint64_t descriptor) const {
    const std::uint64_t mask = ones(48) & ~ones(granule);
    if (!wide) return descriptor & mask;
    if (granule == 16) return (descriptor & mask) | (descriptor >> 12 & 15) << 48;
    return (descriptor & ones(50) & ~ones(granule)) | (descriptor >> 8 & 3) << 50;
  }
  /// Smallest level at which a descriptor may be a block (table D8-20).
  int first_block() const {
    if (granule == 12) return wide ? 0 : 1;
    return wide ? 1 : 2;
  }
};

Error fault(std::uint64_t linear, std::string why) {
  return {Code::memory_fault, fmt::format("{:#x}: {}", linear, why)};
}

/// `hole`: where it fails, the block around `linear` in which it fails everywhere.
Result<Shape>
shape_of(const Paging& paging, const Range& range, std::uint64_t linear, std::uint64_t& hole) {
  hole = bit(half_at);
  const std::uint64_t tcr = paging.tcr;
  if ((tcr & bit(range.walks_off_at)) != 0) {
    return fault(linear, fmt::format("walks of {} are off (TCR.EPD)", range.name));
  }
  Shape out;
  out.granule = range.granule_bits[tcr >> range.granule_at & 3];
  if (out.granule == 0) return fault(linear, fmt::format("{}: reserved granule", range.name));
  constexpr unsigned least = 12, most = 48; // of TnSZ, with every extension
  const auto unused = static_cast<unsigned>(tcr >> range.size_at & 63);
  if (unused < least || unused > most) {
    return fault(linear, fmt::format("{}: size field {} is not from {} to {}", range.name, unused,
                                     least, most));
  }
  out.va_bits = 64 - unused;
  const unsigned stride = out.stride();
  out.first_level = 4 - static_cast<int>((out.va_bits - out.granule + stride - 1) / stride);
  out.wide = out.granule == 16 ? (tcr >> 32 & 7) == ips_52_bits : (tcr & tcr_ds) != 0;
  out.permissions = (tcr & bit(range.no_permissions_at)) == 0;
  const std::uint64_t base = &range == &high ? paging.ttbr1 : paging.ttbr0;
  const unsigned table_bits = out.va_bits - out.shift(out.first_level) + 3;
  // with 52 bits, bits 5:2 of the register are bits 51:48 of the table, whose low ones are 0
  out.root = base & ones(48) & ~ones(std::max(table_bits, out.wide ? 6u : 4u));
  if (out.wide) out.root |= (base >> 2 & 15) << 48;

  const unsigned top = (tcr & bit(range.tag_at)) != 0 ? 56 : 64; // a tag above it is ignored
  const std::uint64_t upper = ones(top) & ~ones(out.va_bits);
  if (const auto wrong = (linear & upper) ^ (&range == &high ? upper : 0); wrong != 0) {
    hole = std::min(hole, std::bit_floor(wrong));
    return fault(linear, fmt::format("not in the {} bits of {}", out.va_bits, range.name));
  }
  return out;
}

/// Whether a descriptor leads nowhere: not valid, or a block where there is none.
bool is_void(const Shape& shape, std::uint64_t entry, int level) {
  if ((entry & valid) == 0) return true;
  return (entry & table_or_page) == 0 && (level == 3 || level < shape.first_block());
}

void apply_table(Translation& out, std::uint64_t entry, bool& user_runs, bool& kernel_runs) {
  if ((entry & table_no_user) != 0) out.user = false;
  if ((entry & table_read_only) != 0) out.writable = false;
  if ((entry & table_user_no_execute) != 0) user_runs = false;
  if ((entry & table_kernel_no_execute) != 0) kernel_runs = false;
}

/// The last descriptor. `executable`: by somebody, EL0 or EL1.
void apply_leaf(
    Translation& out, const Paging& paging, std::uint64_t entry, bool user_runs, bool kernel_runs) {
  const bool marks_writes = (entry & dirty_modifier) != 0 && (paging.tcr & tcr_hd) != 0;
  if ((entry & read_only) != 0 && !marks_writes) out.writable = false;
  if (marks_writes) out.dirty = (entry & read_only) == 0;
  out.accessed = (entry & accessed) != 0;
  if (paging.one_range) { // XN is where EL1&0 has UXN
    out.user = false;
    out.executable = user_runs && (entry & user_no_execute) == 0;
    return;
  }
  if ((entry & user) == 0) out.user = false;
  // what EL0 may write EL1 never runs; what EL0 may not read it may still run
  const bool user_writes = out.user && out.writable;
  user_runs = user_runs && (entry & user_no_execute) == 0;
  kernel_runs = kernel_runs && !user_writes && (entry & kernel_no_execute) == 0;
  out.executable = user_runs || kernel_runs;
}

} // namespace

std::uint64_t tcr_of_one_range(std::uint64_t tcr_el2) {
  const auto moved = [&](unsigned from, unsigned to) { return (tcr_el2 >> from & 1) << to; };
  return (tcr_el2 & 0xc03f) | (tcr_el2 >> 16 & 7) << 32 | moved(20, 37) | moved(21, 39) |
         moved(22, 40) | moved(24, 41) | moved(32, 59) | bit(high.walks_off_at);
}

Result<Translation> walk(const Paging& paging,
                         const GuestMemory& memory,
                         std::uint64_t linear,
                         Detail detail,
                         std::uint64_t* hole) {
  Translation out;
  if ((paging.sctlr & sctlr_m) == 0) {
    out.physical = GuestPhys{linear};
    if (detail == Detail::levels) out.levels.emplace_back("MMU off: physical is virtual");
    return out;
  }
  const Range& range = (linear & bit(half_at)) != 0 && !paging.one_range ? high : low;
  std::uint64_t unused = 0;
  const Shape shape = TRY(shape_of(paging, range, linear, hole ? *hole : unused));
  out.root = shape.root;
  std::uint64_t table = shape.root, left = linear & ones(shape.va_bits);
  bool user_runs = true, kernel_runs = true;
  for (int level = shape.first_level; level <= 3; ++level) {
    const unsigned shift = shape.shift(level);
    const GuestPhys at{table + (left >> shift) * 8};
    std::uint64_t entry = 0;
    if (hole) *hole = bit(shift);
    if (!memory.load(at, entry)) {
      return fault(linear, fmt::format("level {} entry at physical {:#x} is not in memory", level,
                                       at.value));
    }
    if (detail == Detail::levels) {
      out.levels.push_back(
          fmt::format("{} level {} {:#x}: {:#x}", range.name, level, at.value, entry));
    }
    if (is_void(shape, entry, level)) {
      return fault(linear, fmt::format("no page (level {} entry at {:#x} is {:#x})", level,
                                       at.value, entry));
    }
    left &= ones(shift);
    if ((entry & table_or_page) == 0 || level == 3) {
      out.page_size = bit(shift);
      out.physical = GuestPhys{(shape.address(entry) & ~ones(shift)) | left};
      apply_leaf(out, paging, entry, user_runs, kernel_runs);
      return out;
    }
    table = shape.address(entry);
    if (shape.permissions) apply_table(out, entry, user_runs, kernel_runs);
  }
  return fault(linear, "page walk did not end");
}

} // namespace kdbg::kvm::arm64
