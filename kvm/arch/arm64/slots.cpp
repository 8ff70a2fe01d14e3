#include "kvm/arch/arm64/slots.hpp"

#include <bit>

namespace kdbg::kvm::arm64 {
namespace {

constexpr std::uint64_t enable = 1, any_level = 3u << 1, all_four_bytes = 0xfu << 5;
constexpr std::uint64_t line = 8; // bytes that one DBGWVR with a byte mask covers
constexpr unsigned load_store_at = 3, bytes_at = 5, mask_at = 24;
constexpr std::uint64_t longest = std::uint64_t{1} << 31; // MASK is at most 31

/// Bits 63:53 repeat bit 52 (D19.3.3, RESS).
std::uint64_t extended(std::uint64_t address) {
  constexpr unsigned above = 11;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(address << above) >> above);
}

std::uint64_t loads_and_stores(PointKind kind) {
  if (kind == PointKind::read) return 1;
  return kind == PointKind::write ? 2 : 3;
}

/// A tag is no part of a watched address.
std::uint64_t untagged(std::uint64_t address) {
  constexpr unsigned tag = 8;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(address << tag) >> tag);
}

std::uint64_t distance(const Slot& slot, std::uint64_t far) {
  const std::uint64_t first = untagged(slot.address), last = first + (slot.length - 1);
  if (far < first) return first - far;
  return far > last ? far - last : 0;
}

bool stops_at(const Slot& slot, bool write) {
  return slot.kind == PointKind::access || (slot.kind == PointKind::write) == write;
}

std::uint32_t nearest(const DebugPlan& plan, std::uint64_t far, std::optional<bool> write) {
  std::uint32_t exact = 0, closest = 0;
  std::uint64_t least = ~std::uint64_t{0};
  for (unsigned n = first_watch; n < max_slots; ++n) {
    const auto& slot = plan.slots[n];
    if (!slot || (write && !stops_at(*slot, *write))) continue;
    const std::uint64_t away = distance(*slot, far);
    if (away == 0) exact |= 1u << n;
    if (away < least) closest = 1u << n;
    least = std::min(least, away);
  }
  return exact != 0 ? exact : closest;
}

} // namespace

Pair encode_breakpoint(std::uint64_t address) {
  return {enable | any_level | all_four_bytes, extended(address) & ~std::uint64_t{3}};
}

Pair encode_watch(const Slot& slot) {
  std::uint64_t control = enable | any_level | loads_and_stores(slot.kind) << load_store_at;
  const std::uint64_t offset = slot.address & (line - 1);
  if (slot.length > line) {
    const auto log = static_cast<std::uint64_t>(std::countr_zero(slot.length));
    control |= log << mask_at | std::uint64_t{0xff} << bytes_at;
  } else {
    control |= ((std::uint64_t{1} << slot.length) - 1) << offset << bytes_at;
  }
  return {control, extended(slot.address) & ~(line - 1)};
}

std::vector<Slot>
split_watch(PointKind kind, std::uint64_t address, std::uint64_t length, unsigned most) {
  std::vector<Slot> out;
  while (length != 0) {
    if (out.size() == most) return {};
    std::uint64_t size = std::min(length, line - address % line);
    if (size == line) {
      const std::uint64_t aligned = address == 0 ? longest : address & -address;
      size = std::min({aligned, std::bit_floor(length), longest});
    }
    out.push_back({address, size, kind});
    address += size;
    length -= size;
  }
  return out;
}

std::uint32_t watch_hits(const DebugPlan& plan, std::uint64_t far, bool write) {
  const std::uint32_t same_direction = nearest(plan, untagged(far), write);
  return same_direction != 0 ? same_direction : nearest(plan, untagged(far), {});
}

} // namespace kdbg::kvm::arm64
