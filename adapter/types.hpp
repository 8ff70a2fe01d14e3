#pragma once
/// The words everything else is written in: ids, addresses, points, motions.
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kdbg {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

/// 0-based; RSP shows it as thread id + 1.
enum class VcpuId : std::uint32_t {};
/// 1-based, in order of arrival, never reused in one run.
enum class ClientId : std::uint32_t {};

/// What a client may ask for, by where and how it came.
enum class Role : std::uint8_t {
  control, ///< everything
  observe, ///< to look: it reads, and joins the runs of others
};

constexpr std::size_t index(VcpuId id) {
  return static_cast<std::size_t>(id);
}

/// A guest-virtual address: on x86 the *linear* address (segment base added).
struct GuestVirt {
  std::uint64_t value = 0;
  auto operator<=>(const GuestVirt&) const = default;
};
struct GuestPhys {
  std::uint64_t value = 0;
  auto operator<=>(const GuestPhys&) const = default;
};

/// Guest-physical addresses behind which there is memory.
struct MemoryRange {
  std::uint64_t start = 0, size = 0; ///< bytes
  auto operator<=>(const MemoryRange&) const = default;
};

/// The address space an address is meant in.
struct Space {
  enum class Kind : std::uint8_t {
    current,  ///< virtual, through the page tables the vCPU uses now
    root,     ///< virtual, through the page tables at `root` (x86: a CR3 value)
    physical, ///< guest-physical
  };
  Kind kind = Kind::current;
  std::uint64_t root = 0;
  auto operator<=>(const Space&) const = default;
};

struct Address {
  std::uint64_t value = 0;
  Space space{};
  auto operator<=>(const Address&) const = default;
};

/// Instructions, in the order of RSP's Z0 and Z1; watched memory, Z2 to Z4; then what a guest asks
/// of its machine, and what its CPU raises: catchpoints.
enum class PointKind : std::uint8_t {
  software,
  hardware,
  write,
  read,
  access,
  port,      ///< I/O ports
  mmio,      ///< physical addresses without memory
  msr,       ///< model-specific registers
  hypercall, ///< by number
  exception, ///< of the CPU, by vector
};

constexpr bool is_watch(PointKind kind) {
  return kind >= PointKind::write && kind <= PointKind::access;
}
constexpr bool is_catch(PointKind kind) {
  return kind >= PointKind::port;
}
std::string_view name(PointKind kind);

/// A client's wish to stop. `length` is in bytes: of the range for a watch; for software and
/// hardware points the RSP `kind`, which x86 takes to be 1. For a catchpoint `at.value` is the
/// first port, physical address, MSR, hypercall or vector, and `length` their count.
struct Point {
  PointKind kind = PointKind::software;
  Address at{};
  std::uint64_t length = 1;
  // of catchpoints alone
  bool reads = true, writes = true;     ///< which direction stops
  std::optional<std::uint64_t> value{}; ///< only this one: read, written, or an error code
  auto operator<=>(const Point&) const = default;
};
/// Whether a catchpoint means this one of its kind.
constexpr bool covers(const Point& point, std::uint64_t number) {
  return number >= point.at.value && number - point.at.value < point.length;
}
/// "0x1000", "physical 0x1000", "0x1000 under root 0x5000".
std::string describe(const Address& address);
/// "hardware point at 0x1000", "write watch of 4 bytes at 0x2000".
std::string describe(const Point& point);

/// What one vCPU does during a run.
enum class Motion : std::uint8_t { hold, run, step };

/// Linear addresses [begin, end).
struct StepRange {
  std::uint64_t begin = 0, end = 0;
  constexpr bool holds(std::uint64_t at) const { return at >= begin && at < end; }
  auto operator<=>(const StepRange&) const = default;
};

/// One entry per vCPU, in VcpuId order. At least one vCPU must not be held.
struct Resume {
  std::vector<Motion> motions;
  /// One per vCPU, or none at all. A vCPU that steps goes on stepping while its pc is in its
  /// range and nothing else stops it; it may stop earlier, as when it waits for an interrupt.
  std::vector<StepRange> ranges{};
};

} // namespace kdbg
