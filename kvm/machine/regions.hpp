#pragma once
/// The guest's physical memory as KVM knows it: one memory slot per range of RAM, cut where pages
/// are write-protected. Knows no reason for that.
#include "kvm/kernel.hpp"
#include "kvm/memory.hpp"

#include <map>

namespace kdbg::kvm {

class Regions {
public:
  explicit Regions(Kernel& kernel) : kernel_(kernel) {}

  /// Makes KVM see `ranges`, with the 4 KiB pages at `pages` (guest-physical, sorted, each once)
  /// read-only for the guest: a write there is not done but exits as KVM_EXIT_MMIO. Touches only
  /// slots that differ. While no vCPU runs. On error KVM sees what it saw before.
  Status set(Fd vm, std::span<const Ram::Range> ranges, std::span<const std::uint64_t> pages);

private:
  struct Region {
    std::uint64_t start = 0, size = 0;
    std::byte* host = nullptr;
    bool read_only = false;
    auto operator<=>(const Region&) const = default;
  };
  using Slots = std::map<Region, std::uint32_t>; ///< region to slot number
  static std::vector<Region> cut(std::span<const Ram::Range> ranges,
                                 std::span<const std::uint64_t> pages);
  static void cut_range(const Ram::Range& range,
                        std::span<const std::uint64_t> pages,
                        std::vector<Region>& out);
  Status tell(Fd vm, const Region& region, std::uint32_t slot, std::uint64_t size);
  Status replace(Fd vm, const Slots& gone, const Slots& added);

  Kernel& kernel_;
  Slots slots_;
};

} // namespace kdbg::kvm
