// The guest's memory slots: cut where pages are protected, whole again, and whole after a failure.
#include "kvm/machine/regions.hpp"
#include "tests/fakes/scripted_kernel.hpp"

#include <catch2/catch.hpp>

#include <cerrno>
#include <map>

using namespace kdbg;
using namespace kdbg::kvm;

namespace {

/// KVM's record of slots; refuses what overlaps, as KVM does.
class SlotKernel final : public test::ScriptedKernel {
public:
  SlotKernel() : ScriptedKernel({}) {}
  struct Slot {
    std::uint64_t start = 0, size = 0, host = 0;
    bool read_only = false;
    auto operator<=>(const Slot&) const = default;
  };
  std::map<std::uint32_t, Slot> slots;
  int calls = 0, fail_at = -1;

  Result<int> ioctl(Fd, unsigned long request, void* argument) override {
    REQUIRE(request == KVM_SET_USER_MEMORY_REGION);
    if (calls++ == fail_at) return Error{Code::kernel, "no room", ENOSPC};
    const auto& region = *static_cast<kvm_userspace_memory_region*>(argument);
    if (region.memory_size == 0) {
      REQUIRE(slots.erase(region.slot) == 1);
      return 0;
    }
    REQUIRE_FALSE(slots.contains(region.slot));
    for (const auto& [number, slot] : slots)
      REQUIRE((region.guest_phys_addr >= slot.start + slot.size ||
               slot.start >= region.guest_phys_addr + region.memory_size));
    slots[region.slot] = {region.guest_phys_addr, region.memory_size, region.userspace_addr,
                          (region.flags & KVM_MEM_READONLY) != 0};
    return 0;
  }
  /// In order of address: start, size, read-only.
  std::vector<std::tuple<std::uint64_t, std::uint64_t, bool>> seen() const {
    std::vector<std::tuple<std::uint64_t, std::uint64_t, bool>> out;
    for (const auto& [number, slot] : slots)
      out.emplace_back(slot.start, slot.size, slot.read_only);
    std::sort(out.begin(), out.end());
    return out;
  }
};

struct Rig {
  Bytes low = Bytes(0x8000), high = Bytes(0x2000);
  std::vector<Ram::Range> ranges{{0, low}, {0x100000, high}};
  SlotKernel kernel;
  Regions regions{kernel};
  Status set(std::vector<std::uint64_t> pages) {
    kernel.calls = 0;
    return regions.set(Fd{1}, ranges, pages);
  }
};
using Seen = std::vector<std::tuple<std::uint64_t, std::uint64_t, bool>>;
const Seen whole{{0, 0x8000, false}, {0x100000, 0x2000, false}};

} // namespace

TEST_CASE("protected pages are cut out of their range, neighbours in one piece") {
  Rig rig;
  REQUIRE(rig.set({}));
  CHECK(rig.kernel.seen() == whole);
  REQUIRE(rig.set({0x2000, 0x3000, 0x7000}));
  CHECK(rig.kernel.seen() == Seen{{0, 0x2000, false},
                                  {0x2000, 0x2000, true},
                                  {0x4000, 0x3000, false},
                                  {0x7000, 0x1000, true},
                                  {0x100000, 0x2000, false}});
  for (const auto& [number, slot] : rig.kernel.slots) {
    const Bytes& bytes = slot.start < 0x100000 ? rig.low : rig.high;
    const std::uint64_t base = slot.start < 0x100000 ? 0 : 0x100000;
    CHECK(slot.host == reinterpret_cast<std::uint64_t>(bytes.data()) + (slot.start - base));
  }
  REQUIRE(rig.set({0x0, 0x100000, 0x101000}));
  CHECK(rig.kernel.seen() ==
        Seen{{0, 0x1000, true}, {0x1000, 0x7000, false}, {0x100000, 0x2000, true}});
  REQUIRE(rig.set({}));
  CHECK(rig.kernel.seen() == whole);
}

TEST_CASE("only what differs is told to KVM") {
  Rig rig;
  REQUIRE(rig.set({0x2000}));
  REQUIRE(rig.set({0x2000}));
  CHECK(rig.kernel.calls == 0);
  REQUIRE(rig.set({0x2000, 0x101000}));
  CHECK(rig.kernel.calls == 3); // the high range goes, two pieces come
}

TEST_CASE("a page outside memory protects nothing") {
  Rig rig;
  REQUIRE(rig.set({0x9000, 0x200000}));
  CHECK(rig.kernel.seen() == whole);
}

TEST_CASE("whichever slot fails, the guest has the memory that it had") {
  for (int n = 0; n < 6; ++n) {
    Rig rig;
    REQUIRE(rig.set({0x1000}));
    const Seen before = rig.kernel.seen();
    rig.kernel.fail_at = n;
    auto set = rig.set({0x2000, 0x3000, 0x101000});
    INFO("failure " << n);
    if (rig.kernel.calls <= n) {
      CHECK(set);
      continue;
    }
    REQUIRE_FALSE(set);
    CHECK(set.error().sys_errno == ENOSPC);
    CHECK(rig.kernel.seen() == before);
    rig.kernel.fail_at = -1;
    CHECK(rig.set({0x2000, 0x3000, 0x101000}));
  }
}
