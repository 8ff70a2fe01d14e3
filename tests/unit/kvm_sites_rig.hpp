#pragma once
/// Sites over a small guest memory, its page tables a function.
#include "kvm/arch/x86_64/arch.hpp"
#include "kvm/sites.hpp"

#include <catch2/catch.hpp>

namespace kdbg::test::on_small_memory {

using namespace kvm;
using Method = Placement::Method;

inline constexpr std::byte int3{0xcc};

inline HostFacts hardware() {
  HostFacts facts;
  facts.guest_debug = facts.single_step = facts.hardware_exec = facts.data_watch =
      facts.breakpoint_exit = true;
  return facts;
}

/// int3 works only as a last resort: slots come first.
inline HostFacts emulating() {
  HostFacts facts = hardware();
  facts.breakpoint_exit = facts.data_watch = false;
  facts.breakpoint_internal_error = true;
  return facts;
}

inline HostFacts no_instructions() {
  HostFacts facts = hardware();
  facts.breakpoint_exit = false;
  return facts;
}

inline Point software(std::uint64_t at) {
  return {PointKind::software, Address{at}, 1};
}

inline Point hard(std::uint64_t at) {
  return {PointKind::hardware, Address{at}, 1};
}

inline Point watch(PointKind kind, std::uint64_t at, std::uint64_t length) {
  return {kind, Address{at}, length};
}

inline Translation at_physical(std::uint64_t physical, std::uint64_t page_size) {
  Translation out;
  out.physical = GuestPhys{physical};
  out.page_size = page_size;
  return out;
}

/// Linear 0x10000 + x is physical x, under root 0x7000 linear x is physical x; the page
/// 0x30000 is mapped when `late` is.
struct Rig {
  explicit Rig(const HostFacts& given) : facts(given) {
    for (std::size_t i = 0; i < ram.size(); ++i)
      ram[i] = static_cast<std::byte>(i * 7 & 0x7f);
    original = ram;
  }
  HostFacts facts;
  Bytes ram = Bytes(0x4000);
  Bytes original;
  Ram memory{{{0, ram}}};
  Sites sites{x86_64(), facts};
  bool late = false, blocked = false;
  int error = 0;
  unsigned walks = 0;

  Status place() {
    return sites.place(
        memory, [this](VcpuId, Address at) { return translate(at); },
        [this](VcpuId, unsigned vector) { return entry(vector); }, blocked);
  }
  std::map<unsigned, std::uint64_t> handlers; ///< vector to linear address
  Result<GuestVirt> entry(unsigned vector) {
    if (!handlers.contains(vector)) return Error{Code::memory_fault, "no IDT yet"};
    return GuestVirt{handlers[vector]};
  }
  Result<Translation> translate(Address at) {
    ++walks;
    if (error != 0) return Error{Code::kernel, "ioctl failed", error};
    if (at.space.kind == Space::Kind::physical) return at_physical(at.value, 0);
    if (at.space.kind == Space::Kind::root && at.space.root == 0x7000)
      return at_physical(at.value, 4096);
    if (at.space.kind == Space::Kind::current && at.value >= 0x10000 && at.value < 0x18000)
      return at_physical(at.value - 0x10000, 4096);
    if (at.space.kind == Space::Kind::current && at.value >= 0x30000 && late)
      return at_physical(at.value - 0x30000, 4096);
    return Error{Code::memory_fault, "no page here"};
  }
  Status add(const Point& point) { return sites.add(VcpuId{0}, point); }
  void have(std::initializer_list<Point> points) {
    for (const Point& point : points)
      REQUIRE(add(point));
    REQUIRE(place());
  }
  const Placement& of(const Point& point) {
    for (const Site& site : sites.placed().sites) {
      if (site.point == point) return site.placement;
    }
    FAIL("no such site");
    return sites.placed().sites.front().placement;
  }
  std::vector<std::uint64_t> patched() const {
    std::vector<std::uint64_t> out;
    for (std::size_t i = 0; i < ram.size(); ++i) {
      if (ram[i] != original[i]) {
        CHECK(ram[i] == int3);
        out.push_back(i);
      }
    }
    return out;
  }
};

using Numbers = std::vector<unsigned>;
using Addresses = std::vector<std::uint64_t>;

} // namespace kdbg::test::on_small_memory
