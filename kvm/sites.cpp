#include "kvm/sites.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::kvm {
namespace {

using Method = Placement::Method;

constexpr std::uint64_t most_compared = 1u << 16;

Error no_slots(const Point& point, unsigned count) {
  return {Code::no_free_slot,
          fmt::format("cannot insert {} point at {:#x}: all {} hardware slots are in use",
                      name(point.kind), point.at.value, count)};
}

} // namespace

/// The slots that a point cannot do without; none when it has another way.
Result<std::vector<Slot>> Sites::required_slots(const Point& point) const {
  const bool linear = point.at.space.kind == Space::Kind::current;
  if (point.kind == PointKind::software) return std::vector<Slot>{};
  if (point.kind == PointKind::hardware) {
    if (!facts_.hardware_exec) {
      return Error{Code::unsupported,
                   "hardware breakpoints do not work on this host's KVM; use a software one"};
    }
    if (!linear) {
      return Error{Code::unsupported,
                   "a debug register compares linear addresses; use a software breakpoint for "
                   "a physical address or another page-table root"};
    }
    return std::vector<Slot>{{point.at.value, 1, PointKind::hardware}};
  }
  if (point.length == 0) {
    return Error{Code::bad_request, "a watch needs a length of at least 1 byte"};
  }
  if (point.at.value + (point.length - 1) < point.at.value) {
    return Error{Code::bad_request,
                 fmt::format("a watch of {} bytes at {:#x} wraps around the address space",
                             point.length, point.at.value)};
  }
  if (facts_.data_watch && linear) {
    auto slots = arch_.split_watch(point.kind, point.at.value, point.length);
    if (!slots.empty()) return slots;
    return Error{Code::no_free_slot, fmt::format("a watch of {} bytes at {:#x} does not fit {} "
                                                 "hardware slots of at most 8 aligned bytes",
                                                 point.length, point.at.value, arch_.slot_count())};
  }
  if (facts_.single_step && point.length > most_compared) {
    return Error{
        Code::unsupported,
        fmt::format(
            "a watch of {} bytes at {:#x} is compared after every instruction: at most {} bytes",
            point.length, point.at.value, most_compared)};
  }
  if (facts_.single_step) return std::vector<Slot>{};
  return Error{
      Code::unsupported,
      "watchpoints do not work on this host's KVM: neither data breakpoints nor single-step"};
}

bool Sites::take_slot(const Slot& slot, Plan& plan, Placement& placement) const {
  const auto take = [&](unsigned n) {
    plan.slots[n] = slot;
    placement.slots.push_back(n);
    return true;
  };
  const unsigned count = facts_.hardware_exec || facts_.data_watch ? arch_.slot_count() : 0;
  std::optional<unsigned> free;
  for (unsigned n = 0; n < count; ++n) {
    if (plan.slots[n] == slot) return take(n); // shared with an equal one
    if (plan.slots[n]) continue;
    if (placed_.slots[n] == slot) return take(n); // stays where it was
    if (!free || (placed_.slots[*free] && !placed_.slots[n])) free = n;
  }
  return free && take(*free);
}

Result<Placement> Sites::place_software(const Site& site,
                                        Plan& plan,
                                        const GuestMemory* memory,
                                        const Translator* translate,
                                        bool instructions_blocked) const {
  if (site.placement.method == Method::instruction && !instructions_blocked) return site.placement;
  Placement out;
  std::optional<GuestPhys> physical;
  if (translate != nullptr) {
    auto where = (*translate)(site.vcpu, site.point.at);
    std::byte probe{};
    if (!where && where.error().code == Code::kernel) return where.error();
    if (!where) {
      out.note = where.error().what;
    } else if (memory->read(where->physical, std::span(&probe, 1)) == 1) {
      physical = where->physical;
    } else {
      out.note = fmt::format("{:#x} is physical {:#x}, which is not memory", site.point.at.value,
                             where->physical.value);
    }
  }
  const bool can_patch =
      physical && !instructions_blocked && (facts_.int3_exit || facts_.int3_internal_error);
  const auto patch = [&] { return Placement{Method::instruction, {}, *physical, {}}; };
  if (facts_.int3_exit && can_patch) return patch();
  const bool linear = site.point.at.space.kind == Space::Kind::current;
  if (facts_.hardware_exec && linear &&
      take_slot({site.point.at.value, 1, PointKind::hardware}, plan, out)) {
    out.method = Method::slots;
    return out;
  }
  if (can_patch) return patch();
  if (facts_.single_step && (physical || linear)) out.method = Method::stepping;
  return out;
}

Result<Sites::Plan> Sites::plan(const std::vector<Site>& sites,
                                const GuestMemory* memory,
                                const Translator* translate,
                                bool instructions_blocked) const {
  Plan out;
  out.placements.resize(sites.size());
  // What must have slots comes first; among them, what has one keeps it.
  for (const bool had_one : {true, false}) {
    for (std::size_t i = 0; i < sites.size(); ++i) {
      const bool has = sites[i].placement.method == Method::slots;
      if (sites[i].point.kind == PointKind::software || has != had_one) continue;
      const auto required = TRY(required_slots(sites[i].point));
      Placement& placement = out.placements[i];
      placement.method = required.empty() ? Method::stepping : Method::slots;
      for (const Slot& slot : required) {
        if (!take_slot(slot, out, placement)) return no_slots(sites[i].point, arch_.slot_count());
      }
    }
  }
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (sites[i].point.kind == PointKind::software) {
      out.placements[i] =
          TRY(place_software(sites[i], out, memory, translate, instructions_blocked));
    }
  }
  return out;
}

Status Sites::add(VcpuId vcpu, const Point& point) {
  const auto same = [&](const Site& site) { return site.point == point; };
  if (std::any_of(placed_.sites.begin(), placed_.sites.end(), same)) return Done{};
  auto sites = placed_.sites;
  sites.push_back({point, vcpu, {}});
  TRY(plan(sites, nullptr, nullptr, false));
  if (point.kind == PointKind::software && !facts_.int3_exit && !facts_.hardware_exec &&
      !facts_.single_step) {
    return Error{
        Code::unsupported,
        "no kind of breakpoint works on this host's KVM; `kvmdbg probe` shows what was tried"};
  }
  placed_.sites = std::move(sites);
  return Done{};
}

Status Sites::remove(const Point& point) {
  const auto erased =
      std::erase_if(placed_.sites, [&](const Site& site) { return site.point == point; });
  if (erased != 0) return Done{};
  return Error{Code::bad_request,
               fmt::format("there is no {} point at {:#x}", name(point.kind), point.at.value)};
}

Status Sites::place(GuestMemory& memory, const Translator& translate, bool instructions_blocked) {
  Plan next = TRY(plan(placed_.sites, &memory, &translate, instructions_blocked));
  placed_.instructions = placed_.stepping = false;
  std::map<std::uint64_t, bool> wanted;
  for (std::size_t i = 0; i < placed_.sites.size(); ++i) {
    placed_.sites[i].placement = std::move(next.placements[i]);
    const Placement& placement = placed_.sites[i].placement;
    if (placement.method == Method::instruction) wanted[placement.physical.value] = true;
    placed_.stepping |= placement.method == Method::stepping;
  }
  placed_.slots = next.slots;
  for (auto patch = patches_.begin(); patch != patches_.end();) {
    if (wanted.contains(patch->first)) {
      ++patch;
      continue;
    }
    TRY(take_out(memory, patch->first, patch->second));
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
  patches_[at.value] =
      present; // new, or the guest has written over ours: its byte is the one to keep
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
  for (const auto& [at, original] : patches_) {
    TRY(take_out(memory, at, original));
  }
  patches_.clear();
  for (Site& site : placed_.sites) {
    if (site.placement.method == Method::instruction) site.placement = {};
  }
  return Done{};
}

Status Sites::lift(GuestMemory& memory, GuestPhys at) {
  return take_out(memory, at.value, patches_.at(at.value));
}

Status Sites::restore(GuestMemory& memory, GuestPhys at) {
  return install(memory, at);
}

void Sites::hide(GuestPhys at, std::span<std::byte> data) const {
  const std::byte opcode = arch_.breakpoint_instruction()[0];
  for (auto patch = patches_.lower_bound(at.value);
       patch != patches_.end() && patch->first - at.value < data.size(); ++patch) {
    std::byte& shown = data[patch->first - at.value];
    if (shown == opcode) shown = patch->second;
  }
}

void Sites::absorb(GuestPhys at, std::span<std::byte> data) {
  const std::byte opcode = arch_.breakpoint_instruction()[0];
  for (auto patch = patches_.lower_bound(at.value);
       patch != patches_.end() && patch->first - at.value < data.size(); ++patch) {
    patch->second = std::exchange(data[patch->first - at.value], opcode);
  }
}

} // namespace kdbg::kvm
