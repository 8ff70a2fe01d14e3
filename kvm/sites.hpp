#pragma once
/// From points (what clients wish) to sites (what is installed): which strategy each point gets on
/// this host, which slot or which byte of guest memory it uses. Knows no client and no thread.
#include "kvm/arch.hpp"

#include <functional>
#include <map>

namespace kdbg::kvm {

struct Placement {
  enum class Method : std::uint8_t {
    instruction, ///< a breakpoint instruction in guest memory
    slots,       ///< debug registers
    stepping,    ///< every instruction is stepped and compared
    pending,     ///< cannot stop yet: looked at again at each resume
  };
  Method method = Method::pending;
  std::vector<unsigned> slots;
  GuestPhys physical; ///< of the instruction
  std::string note;   ///< why it is pending
};

struct Site {
  Point point;
  VcpuId vcpu{}; ///< whose page tables resolve `current` addresses
  Placement placement;
};

/// The sites of one run: built and swapped only while every vCPU is parked, read by all of them.
struct Placed {
  std::vector<Site> sites;
  std::array<std::optional<Slot>, max_slots> slots{};
  bool instructions = false; ///< at least one breakpoint instruction is in memory
  bool stepping = false;     ///< at least one site needs every instruction stepped
};

using Translator = std::function<Result<Translation>(VcpuId, Address)>;

class Sites {
public:
  Sites(const Arch& arch, const HostFacts& facts) : arch_(arch), facts_(facts) {}

  /// Fails when no strategy is left for it; nothing is installed yet. Adding a point twice is one.
  Status add(VcpuId vcpu, const Point& point);
  Status remove(const Point& point);

  /// Chooses a strategy for every point and puts breakpoint instructions into memory, or takes
  /// them out. `instructions_blocked`: some vCPU is in a mode that cannot stop at one.
  Status place(GuestMemory& memory, const Translator& translate, bool instructions_blocked);
  /// Every breakpoint instruction out of memory, as on the way out.
  Status withdraw(GuestMemory& memory);
  /// The machine's memory is about to be loaded anew: what stands in it is no longer ours.
  void forget_memory() { patches_.clear(); }

  const Placed& placed() const { return placed_; }

  /// One instruction out of memory for a step over it, and back in.
  Status lift(GuestMemory& memory, GuestPhys at);
  Status restore(GuestMemory& memory, GuestPhys at);
  bool installed_at(GuestPhys at) const { return patches_.contains(at.value); }

  /// Reads show the guest's bytes, writes keep the instruction: `data` is what was read at, or is
  /// to be written to, `at`.
  void hide(GuestPhys at, std::span<std::byte> data) const;
  void absorb(GuestPhys at, std::span<std::byte> data);

private:
  struct Plan {
    std::vector<Placement> placements;
    std::array<std::optional<Slot>, max_slots> slots{};
  };
  Result<Plan> plan(const std::vector<Site>& sites,
                    const GuestMemory* memory,
                    const Translator* translate,
                    bool instructions_blocked) const;
  Result<std::vector<Slot>> required_slots(const Point& point) const;
  Result<Placement> place_software(const Site& site,
                                   Plan& plan,
                                   const GuestMemory* memory,
                                   const Translator* translate,
                                   bool instructions_blocked) const;
  bool take_slot(const Slot& slot, Plan& plan, Placement& placement) const;
  Status install(GuestMemory& memory, GuestPhys at);
  Status take_out(GuestMemory& memory, std::uint64_t at, std::byte original);

  const Arch& arch_;
  const HostFacts& facts_;
  Placed placed_;
  std::map<std::uint64_t, std::byte> patches_; ///< guest-physical address -> the guest's own byte
};

} // namespace kdbg::kvm
