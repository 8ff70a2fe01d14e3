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
  /// After a step of `cpu`: every stepped watch that it touched, with its values. `touched` is
  /// what the instruction was about to access.
  Result<std::vector<HitWatch>> compare(Cpu& cpu, const std::vector<Access>& touched);
  /// A slot of `point` fired: its values. Nothing when a read watch saw a changed value, which
  /// means that the access was a write.
  std::optional<HitWatch> fired(const Point& point);

private:
  struct Piece {
    std::uint64_t physical = 0, length = 0, linear = 0;
  };
  struct Watched {
    Point point;
    bool stepped = false;
    std::vector<Piece> pieces;
    Bytes value;
    unsigned unclaimed = 0; ///< comparisons that saw a change which no instruction seen so far made
  };
  /// What one instruction did to a watch.
  struct Touch {
    bool read = false, wrote = false;
    std::uint64_t address = 0;
  };
  Status resolve(Watched& watched, const std::function<Result<Translation>(Address)>& translate);
  Bytes read(const Watched& watched) const;
  Result<Touch>
  touch_of(const Watched& watched, Cpu& cpu, const std::vector<Access>& touched) const;

  GuestMemory* memory_ = nullptr;
  std::size_t vcpus_ = 1;
  std::vector<Watched> watched_;
  std::mutex mutex_;
};

} // namespace kdbg::kvm
