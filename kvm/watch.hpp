#pragma once
/// Values of watched memory: the before and after of a hit, and the comparison that replaces data
/// breakpoints on hosts where those do not fire. Shared by the vCPU threads of a run.
///
/// A watch is resolved once, to the physical bytes that its owner's page tables show: another vCPU
/// may see other memory, or none, at the same address.
#include "kvm/sites.hpp"

#include <mutex>

namespace kdbg::kvm {

class Watches {
public:
  /// While every vCPU is parked: takes the watch sites of a run and reads their present values.
  Status
  begin(const Placed& placed, GuestMemory& memory, const Translator& translate, std::size_t vcpus);
  /// Pages whose writes must exit: guest-physical, sorted, each once.
  std::vector<std::uint64_t> pages() const;
  /// Some watch by protection has no memory yet: `begin` must be tried again.
  bool unsettled() const;
  /// Why this one has none; empty when it has.
  std::string missing(const Point& point) const;

  /// Before a step of `cpu`: what its instruction is about to access. `open`: the protected pages
  /// are writable for this step, so their watches are compared as well.
  Status announce(VcpuId id, Cpu& cpu, const std::vector<Access>& accesses, bool open);
  /// After that step: every such watch that it touched, with its values. A change that another
  /// vCPU's instruction under way is about to admit to is left to that one.
  Result<std::vector<HitWatch>> compare(VcpuId id, Cpu& cpu, bool open);
  /// A slot of `point` fired: its values. Nothing when a read watch saw a changed value, which
  /// means that the access was a write.
  std::optional<HitWatch> fired(const Point& point, bool exact);
  /// Does a write that exited from a protected page. Every watch that it touched.
  std::vector<HitWatch> write(GuestPhys at, ByteView data);

private:
  struct Piece {
    std::uint64_t physical = 0, length = 0, linear = 0;
  };
  /// What one instruction does to a watch.
  struct Touch {
    bool read = false, wrote = false;
    std::uint64_t address = 0;
  };
  struct Watched {
    Point point;
    VcpuId owner{}; ///< whose page tables resolve `current` addresses
    Placement::Method method{};
    std::vector<Piece> pieces;  ///< none: no memory yet
    std::string missing;        ///< why there is none
    Bytes value;                ///< by protection: only from `announce` to `compare`
    std::vector<Touch> touches; ///< of the instruction under way, per vCPU
    bool compared(bool open) const {
      return method == Placement::Method::stepping ||
             (open && method == Placement::Method::protection);
    }
  };
  Status resolve(Watched& watched, const std::function<Result<Translation>(Address)>& translate);
  /// `length` bytes from the linear address `at` on, as far as watched.
  Bytes read(const Watched& watched, std::uint64_t at, std::uint64_t length) const;
  Bytes read(const Watched& watched) const {
    return read(watched, watched.point.at.value, watched.point.length);
  }
  std::optional<HitWatch> compare_one(VcpuId id, Watched& watched);
  static void add_touch(Touch& touch,
                        const Watched& watched,
                        const Access& access,
                        std::uint64_t physical,
                        std::uint64_t count);
  Result<Touch>
  touch_of(const Watched& watched, Cpu& cpu, const std::vector<Access>& accesses) const;

  GuestMemory* memory_ = nullptr;
  std::vector<Watched> watched_;
  mutable std::mutex mutex_;
};

} // namespace kdbg::kvm
