#pragma once
/// From points (what clients wish) to sites (what is installed): which strategy each point gets on
/// this host, which slot or which byte of guest memory it uses. Knows no client and no thread.
#include "kvm/arch.hpp"

#include <functional>
#include <map>
#include <mutex>

namespace kdbg::kvm {

struct Placement {
  enum class Method : std::uint8_t {
    instruction, ///< a breakpoint instruction in guest memory
    slots,       ///< debug registers
    protection,  ///< writes to the pages that hold it exit
    exits,       ///< exits that KVM makes anyway, or is made to make
    stepping,    ///< every instruction is stepped and compared
    pending,     ///< cannot stop yet: looked at again at each resume, and while the guest runs
  };
  Method method = Method::pending;
  std::vector<unsigned> slots{};
  std::uint64_t linear = 0; ///< of the instruction; an exception's is its handler's
  GuestPhys physical{};     ///< of the same
  std::uint64_t root = 0;   ///< of the page tables that showed it there; 0: paging was off
  /// Writes to the instruction's page exit: whatever the guest loads there, the instruction stays.
  bool guarded = false;
  std::string note{}; ///< why it is pending
};

struct Site {
  Point point;
  VcpuId vcpu{}; ///< whose page tables resolve `current` addresses
  Placement placement;
  /// It stops at an instruction; watches and the other catchpoints do not.
  bool executes() const {
    return !is_watch(point.kind) && (!is_catch(point.kind) || point.kind == PointKind::exception);
  }
};

/// The sites of one run: built and swapped only while every vCPU is parked, read by all of them.
struct Placed {
  std::vector<Site> sites;
  std::array<std::optional<Slot>, max_slots> slots{};
  bool instructions = false; ///< at least one breakpoint instruction is in memory
  bool stepping = false;     ///< at least one site needs every instruction stepped
  bool catches = false;      ///< at least one site is for exits
};

using Translator = std::function<Result<Translation>(VcpuId, Address)>;
/// Where a vCPU handles an exception (Cpu::exception_entry).
using EntryFinder = std::function<Result<GuestVirt>(VcpuId, unsigned vector)>;

class Sites {
public:
  Sites(const Arch& arch, const HostFacts& facts) : arch_(arch), facts_(facts) {}

  /// Fails when no strategy is left for it; nothing is installed yet. Adding a point twice is one.
  /// This and `remove` also while the guest runs: `placed` changes at the next `place`.
  Status add(VcpuId vcpu, const Point& point);
  Status remove(const Point& point);

  /// Chooses a strategy for every point and puts breakpoint instructions into memory, or takes
  /// them out. `instructions_blocked`: some vCPU is in a mode that cannot stop at one.
  Status place(GuestMemory& memory,
               const Translator& translate,
               const EntryFinder& entry,
               bool instructions_blocked);
  /// Every breakpoint instruction out of memory, as on the way out.
  Status withdraw(GuestMemory& memory);
  /// The machine's memory is about to be loaded anew: what stands in it is no longer ours.
  void forget_memory() { patches_.clear(); }

  const Placed& placed() const { return placed_; }
  /// Of all points that are wished for now.
  const std::vector<Site>& wanted() const { return wanted_; }
  /// For catchpoints; bad_request when they are more than KVM can be asked for.
  Result<Intercepts> intercepts() const { return intercepts(wanted_); }
  /// Something may have to move while the guest runs: a point is pending, an IDT may change.
  bool unsettled() const;
  /// The guest has written over one of our instructions. Also while it runs.
  bool overwritten(const GuestMemory& memory) const;
  /// Pages of guarded instructions: guest-physical, sorted, each once.
  std::vector<std::uint64_t> guarded_pages() const;

  /// One instruction out of memory for a step over it, and back in.
  void lift(GuestMemory& memory, GuestPhys at);
  Status restore(GuestMemory& memory, GuestPhys at);
  bool installed_at(GuestPhys at) const { return patches_.contains(at.value); }
  /// Any byte of these is ours.
  bool overlap(GuestPhys at, std::size_t length) const;
  /// A breakpoint instruction that belongs to no point, until `retract`. Nothing where a site's
  /// stands already. Only while every vCPU is parked.
  Status extend(GuestMemory& memory, GuestPhys at);
  void retract(GuestMemory& memory);
  bool temporary_at(GuestPhys at) const {
    const auto found = patches_.find(at.value);
    return found != patches_.end() && found->second.temporary;
  }

  /// Reads show the guest's bytes, writes keep the instruction: `data` is what was read at, or is
  /// to be written to, `at`. Any thread while the guest runs.
  void hide(GuestPhys at, std::span<std::byte> data) const;
  void absorb(GuestPhys at, std::span<std::byte> data);

private:
  struct Plan {
    std::vector<Placement> placements;
    std::array<std::optional<Slot>, max_slots> slots{};
  };
  /// What placing may look at; nothing while a point is only added.
  struct Guest {
    GuestMemory& memory;
    const Translator& translate;
    const EntryFinder& entry;
    bool instructions_blocked = false;
  };
  /// The memory under a software point, as far as it decides the strategy.
  struct Ground {
    std::uint64_t linear = 0;
    std::optional<GuestPhys> physical{};
    std::uint64_t root = 0;
    bool executable = false;
    bool blank = false; ///< zeros: no code is there yet
    std::string note{}; ///< why there is no `physical`
  };
  Result<Plan> plan(const std::vector<Site>& sites, const Guest* guest) const;
  Result<Placement> place_hardware(const Site& site, Plan& plan) const;
  Result<Placement> place_watch(const Site& site, Plan& plan) const;
  static Result<Intercepts> intercepts(const std::vector<Site>& sites);
  Result<Placement> place_catch(const Site& site) const;
  Result<Placement> place_software(const Site& site, Plan& plan, const Guest* guest) const;
  Result<Ground> survey(const Site& site, const Guest& guest) const;
  bool still_ours(GuestPhys at, const GuestMemory& memory) const;
  bool take_slot(const Slot& slot, Plan& plan, Placement& placement) const;
  bool take_slots(const std::vector<Slot>& slots, Plan& plan, Placement& placement) const;
  Status install(GuestMemory& memory, GuestPhys at);
  void shrink_before(GuestMemory& memory, GuestPhys at);
  /// One breakpoint instruction in memory.
  struct Patch {
    std::array<std::byte, max_breakpoint> original{}; ///< the guest's own
    std::array<std::byte, max_breakpoint> ours{};
    std::uint8_t size = 0;    ///< bytes of either
    bool overwritten = false; ///< the guest has once written over ours
    bool temporary = false;   ///< no point's
  };
  static bool stands(std::uint64_t at, const Patch& patch, const GuestMemory& memory);
  static void take_out(GuestMemory& memory, std::uint64_t at, const Patch& patch);
  template <class Patches, class Work>
  static void each_in(Patches& patches, GuestPhys at, std::span<std::byte> data, Work work);
  const Arch& arch_;
  const HostFacts& facts_;
  std::vector<Site> wanted_; ///< the strand's alone
  Placed placed_;
  std::map<std::uint64_t, Patch> patches_; ///< by guest-physical address
  mutable std::mutex bytes_mutex_;         ///< guards `original` while the guest runs
};

} // namespace kdbg::kvm
