#pragma once
/// Values of watched memory: the before and after of a hit, and the comparison that replaces data
/// breakpoints on hosts where those do not fire. Shared by the vCPU threads of a run.
#include "kvm/sites.hpp"

#include <mutex>

namespace kdbg::kvm {

class Watches {
public:
  /// While every vCPU is parked: takes the watch sites of a run and reads their present values.
  void begin(const Placed& placed, GuestMemory& memory, const Translator& translate);
  /// After a step of `cpu`: every stepped watch that was touched, with its values. `touched` is
  /// what the instruction was about to access.
  std::vector<HitWatch> compare(Cpu& cpu, const std::vector<Access>& touched);
  /// A slot of `site` fired: its values. Nothing when a read watch saw a changed value, which
  /// means that the access was a write.
  std::optional<HitWatch> fired(Cpu& cpu, const Point& point);

private:
  struct Watched {
    Point point;
    bool stepped = false;
    std::optional<std::uint64_t> root;  ///< that `pieces` was resolved under
    std::vector<std::pair<GuestPhys, std::size_t>> pieces;
    Bytes value;
  };
  void resolve(Watched& watched, const std::function<Result<Translation>(Address)>& translate);
  void resolve_for(Watched& watched, Cpu& cpu);
  Bytes read(const Watched& watched) const;

  GuestMemory* memory_ = nullptr;
  std::vector<Watched> watched_;
  std::mutex mutex_;
};

}  // namespace kdbg::kvm
