// What is installed for the points: in guest memory and in the record of it.
#include "kvm/sites.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::kvm {
namespace {

using Method = Placement::Method;

constexpr std::uint64_t page_size = 4096;

} // namespace

Status Sites::add(VcpuId vcpu, const Point& point) {
  const auto same = [&](const Site& site) { return site.point == point; };
  if (std::any_of(placed_.sites.begin(), placed_.sites.end(), same)) return Done{};
  if (point.kind == PointKind::software && !facts_.int3_exit && !facts_.hardware_exec &&
      !facts_.single_step) {
    return Error{
        Code::unsupported,
        "no kind of breakpoint works on this host's KVM; `kvmdbg probe` shows what was tried"};
  }
  placed_.sites.push_back({point, vcpu, {}});
  // It takes what the others leave. A client may bring ten thousand of these at every stop.
  if (point.kind == PointKind::software) return Done{};
  const auto planned = plan(placed_.sites, nullptr);
  const auto asked = intercepts();
  if (planned && asked) return Done{};
  placed_.sites.pop_back();
  return planned ? asked.error() : planned.error();
}

Status Sites::remove(const Point& point) {
  const auto erased =
      std::erase_if(placed_.sites, [&](const Site& site) { return site.point == point; });
  if (erased != 0) return Done{};
  return Error{Code::bad_request,
               fmt::format("there is no {} point at {:#x}", name(point.kind), point.at.value)};
}

Status Sites::place(GuestMemory& memory,
                    const Translator& translate,
                    const EntryFinder& entry,
                    bool instructions_blocked) {
  const Guest guest{memory, translate, entry, instructions_blocked};
  Plan next = TRY(plan(placed_.sites, &guest));
  placed_.instructions = placed_.stepping = placed_.catches = false;
  std::map<std::uint64_t, bool> wanted;
  for (std::size_t i = 0; i < placed_.sites.size(); ++i) {
    placed_.sites[i].placement = std::move(next.placements[i]);
    const Placement& placement = placed_.sites[i].placement;
    if (placement.method == Method::instruction) wanted[placement.physical.value] = true;
    placed_.stepping |= placement.method == Method::stepping;
    placed_.catches |= placement.method == Method::exits;
  }
  placed_.slots = next.slots;
  for (auto patch = patches_.begin(); patch != patches_.end();) {
    if (wanted.contains(patch->first)) {
      ++patch;
      continue;
    }
    TRY(take_out(memory, patch->first, patch->second.original));
    patch = patches_.erase(patch);
  }
  for (const auto& [at, unused] : wanted) {
    TRY(install(memory, GuestPhys{at}));
  }
  placed_.instructions = !wanted.empty();
  return Done{};
}

Status Sites::install(GuestMemory& memory, GuestPhys at) {
  std::byte present{};
  const std::byte opcode = arch_.breakpoint_instruction()[0];
  if (!memory.load(at, present)) {
    return Error{Code::memory_fault,
                 fmt::format("cannot patch physical {:#x}: not memory", at.value)};
  }
  if (patches_.contains(at.value) && present == opcode) return Done{};
  // New, or the guest has written over ours: its byte is the one to keep.
  const bool overwritten = patches_.contains(at.value);
  patches_[at.value] = {present, overwritten};
  memory.store(at, opcode);
  return Done{};
}

/// Only what is still ours is taken out: a page that the guest has reused keeps its new byte.
Status Sites::take_out(GuestMemory& memory, std::uint64_t at, std::byte original) {
  std::byte present{};
  if (!memory.load(GuestPhys{at}, present)) return Done{};
  if (present == arch_.breakpoint_instruction()[0]) memory.store(GuestPhys{at}, original);
  return Done{};
}

Status Sites::withdraw(GuestMemory& memory) {
  for (const auto& [at, patch] : patches_) {
    TRY(take_out(memory, at, patch.original));
  }
  patches_.clear();
  for (Site& site : placed_.sites) {
    if (site.placement.method == Method::instruction) site.placement = {};
  }
  return Done{};
}

Status Sites::lift(GuestMemory& memory, GuestPhys at) {
  return take_out(memory, at.value, patches_.at(at.value).original);
}

/// What stands there now is the guest's: only if it is not what was put there for the step has the
/// guest written over it.
Status Sites::restore(GuestMemory& memory, GuestPhys at) {
  const Patch lifted = patches_.at(at.value);
  TRY(install(memory, at));
  Patch& patch = patches_.at(at.value);
  patch.overwritten = lifted.overwritten || patch.original != lifted.original;
  return Done{};
}

bool Sites::unsettled() const {
  return std::any_of(placed_.sites.begin(), placed_.sites.end(), [](const Site& site) {
    return site.placement.method == Method::pending || site.point.kind == PointKind::exception;
  });
}

bool Sites::overwritten(const GuestMemory& memory) const {
  return std::any_of(patches_.begin(), patches_.end(), [&](const auto& patch) {
    return !still_ours(GuestPhys{patch.first}, memory);
  });
}

std::vector<std::uint64_t> Sites::guarded_pages() const {
  std::vector<std::uint64_t> out;
  for (const Site& site : placed_.sites) {
    if (site.placement.guarded) out.push_back(site.placement.physical.value & ~(page_size - 1));
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void Sites::hide(GuestPhys at, std::span<std::byte> data) const {
  const std::byte opcode = arch_.breakpoint_instruction()[0];
  const std::lock_guard lock(bytes_mutex_);
  for (auto patch = patches_.lower_bound(at.value);
       patch != patches_.end() && patch->first - at.value < data.size(); ++patch) {
    std::byte& shown = data[patch->first - at.value];
    if (shown == opcode) shown = patch->second.original;
  }
}

void Sites::absorb(GuestPhys at, std::span<std::byte> data) {
  const std::byte opcode = arch_.breakpoint_instruction()[0];
  const std::lock_guard lock(bytes_mutex_);
  for (auto patch = patches_.lower_bound(at.value);
       patch != patches_.end() && patch->first - at.value < data.size(); ++patch) {
    patch->second.original = std::exchange(data[patch->first - at.value], opcode);
  }
}

} // namespace kdbg::kvm
