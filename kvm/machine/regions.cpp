#include "kvm/machine/regions.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <linux/kvm.h>
#include <set>

namespace kdbg::kvm {
namespace {

constexpr std::uint64_t page_size = 4096;

} // namespace

/// Runs of protected pages and what is between them, in order.
void Regions::cut_range(const Ram::Range& range,
                        std::span<const std::uint64_t> pages,
                        std::vector<Region>& out) {
  const std::uint64_t end = range.start + range.bytes.size();
  std::uint64_t at = range.start;
  auto next = std::lower_bound(pages.begin(), pages.end(), at);
  const auto add = [&](std::uint64_t until, bool read_only) {
    if (until > at) {
      out.push_back(
          {at, until - at, range.bytes.data() + (at - range.start), read_only || range.rom});
    }
    at = until;
  };
  while (next != pages.end() && *next < end) {
    add(*next, false);
    std::uint64_t until = at;
    for (; next != pages.end() && *next == until && until < end; ++next) {
      until += page_size;
    }
    add(until, true);
  }
  add(end, false);
}

std::vector<Regions::Region> Regions::cut(std::span<const Ram::Range> ranges,
                                          std::span<const std::uint64_t> pages) {
  std::vector<Region> out;
  for (const Ram::Range& range : ranges) {
    cut_range(range, pages, out);
  }
  return out;
}

/// A size of 0 takes the slot away (api.rst, KVM_SET_USER_MEMORY_REGION).
Status Regions::tell(Fd vm, const Region& region, std::uint32_t slot, std::uint64_t size) {
  kvm_userspace_memory_region request{};
  request.slot = slot;
  request.flags = region.read_only && size != 0 ? KVM_MEM_READONLY : 0;
  request.guest_phys_addr = region.start;
  request.memory_size = size;
  request.userspace_addr = reinterpret_cast<std::uint64_t>(region.host);
  auto told = kernel_.ioctl(vm, KVM_SET_USER_MEMORY_REGION, &request);
  if (told) return Done{};
  Error error = told.error();
  error.what = fmt::format("memory slot {} for {:#x}-{:#x}: {}", slot, region.start,
                           region.start + region.size, error.what);
  return error;
}

/// Slots cannot overlap, so the old ones go first. A failure is undone: the guest must not lose
/// memory because a page could not be protected.
Status Regions::replace(Fd vm, const Slots& gone, const Slots& added) {
  Status outcome = Done{};
  auto taken = gone.begin();
  auto given = added.begin();
  for (; outcome && taken != gone.end(); taken = outcome ? std::next(taken) : taken) {
    outcome = tell(vm, taken->first, taken->second, 0);
  }
  for (; outcome && given != added.end(); given = outcome ? std::next(given) : given) {
    outcome = tell(vm, given->first, given->second, given->first.size);
  }
  if (outcome) return outcome;
  for (auto undo = added.begin(); undo != given; ++undo) {
    TRY(tell(vm, undo->first, undo->second, 0));
  }
  for (auto undo = gone.begin(); undo != taken; ++undo) {
    TRY(tell(vm, undo->first, undo->second, undo->first.size));
  }
  return outcome;
}

Status
Regions::set(Fd vm, std::span<const Ram::Range> ranges, std::span<const std::uint64_t> pages) {
  Slots kept, added, gone = slots_;
  std::vector<Region> fresh;
  for (const Region& region : cut(ranges, pages)) {
    if (auto same = gone.extract(region)) {
      kept.insert(std::move(same));
    } else {
      fresh.push_back(region);
    }
  }
  std::set<std::uint32_t> used;
  for (const auto& [region, slot] : kept) {
    used.insert(slot);
  }
  std::uint32_t free = 0;
  for (const Region& region : fresh) {
    while (used.contains(free)) {
      ++free;
    }
    added.emplace(region, free++);
  }
  TRY(replace(vm, gone, added));
  kept.merge(added);
  slots_ = std::move(kept);
  return Done{};
}

} // namespace kdbg::kvm
