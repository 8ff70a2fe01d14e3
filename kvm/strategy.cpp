// Which strategy each point gets on this host.
#include "kvm/sites.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::kvm {
namespace {

using Method = Placement::Method;

constexpr std::uint64_t most_compared = 1u << 16, most_protected = 1u << 26;

Error no_slots(const Point& point, unsigned count) {
  return {Code::no_free_slot,
          fmt::format("cannot insert {} point at {:#x}: all {} hardware slots are in use",
                      name(point.kind), point.at.value, count)};
}

bool in_linear_space(const Point& point) {
  return point.at.space.kind == Space::Kind::current;
}

Status check_watch(const Point& point) {
  if (point.length == 0) {
    return Error{Code::bad_request, "a watch needs a length of at least 1 byte"};
  }
  if (point.at.value + (point.length - 1) < point.at.value) {
    return Error{Code::bad_request,
                 fmt::format("a watch of {} bytes at {:#x} wraps around the address space",
                             point.length, point.at.value)};
  }
  return Done{};
}

} // namespace

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

/// All of them, or none.
bool Sites::take_slots(const std::vector<Slot>& slots, Plan& plan, Placement& placement) const {
  const Plan before = plan;
  for (const Slot& slot : slots) {
    if (take_slot(slot, plan, placement)) continue;
    plan = before;
    placement.slots.clear();
    return false;
  }
  return !slots.empty();
}

Result<Placement> Sites::place_hardware(const Site& site, Plan& plan) const {
  if (!facts_.hardware_exec) {
    return Error{Code::unsupported,
                 "hardware breakpoints do not work on this host's KVM; use a software one"};
  }
  if (!in_linear_space(site.point)) {
    return Error{Code::unsupported,
                 "a debug register compares linear addresses; use a software breakpoint for "
                 "a physical address or another page-table root"};
  }
  Placement out{Method::slots};
  if (take_slot({site.point.at.value, 1, PointKind::hardware}, plan, out)) return out;
  return no_slots(site.point, arch_.slot_count());
}

/// Debug registers cost nothing, protected pages an exit for each write to them, stepping
/// everything.
Result<Placement> Sites::place_watch(const Site& site, Plan& plan) const {
  const Point& point = site.point;
  TRY(check_watch(point));
  Placement out{Method::slots};
  const bool hardware = facts_.data_watch && in_linear_space(point);
  if (hardware &&
      take_slots(arch_.split_watch(point.kind, point.at.value, point.length), plan, out)) {
    return out;
  }
  const bool protects = facts_.write_protect && point.kind == PointKind::write;
  if (protects && point.length <= most_protected) return Placement{Method::protection};
  if (facts_.single_step && point.length <= most_compared) return Placement{Method::stepping};
  if (protects || facts_.single_step) {
    return Error{Code::unsupported,
                 fmt::format("a watch of {} bytes at {:#x} is too long: {} take at most {} bytes",
                             point.length, point.at.value,
                             protects ? "write watches by protected pages"
                                      : "watches compared after every instruction",
                             protects ? most_protected : most_compared)};
  }
  if (hardware) {
    return Error{Code::no_free_slot,
                 fmt::format("a watch of {} bytes at {:#x} does not fit the free "
                             "ones of {} hardware slots of 8 aligned bytes",
                             point.length, point.at.value, arch_.slot_count())};
  }
  return Error{
      Code::unsupported,
      "watchpoints do not work on this host's KVM: neither data breakpoints nor single-step"};
}

bool Sites::still_ours(GuestPhys at, const GuestMemory& memory) const {
  std::byte present{};
  return patches_.contains(at.value) && memory.load(at, present) &&
         present == arch_.breakpoint_instruction()[0];
}

/// A site stays on its page while other page tables are in use, which may show other memory or
/// none at its address, as long as the guest leaves our instruction alone. It moves when the
/// tables that showed it change, or when paging comes on.
Result<Sites::Ground> Sites::survey(const Site& site, const Guest& guest) const {
  const Placement& now = site.placement;
  auto where = guest.translate(site.vcpu, site.point.at);
  if (!where && where.error().code == Code::kernel) return where.error();
  Ground out;
  const bool elsewhere = !where || where->root != now.root;
  if (now.method == Method::instruction && elsewhere && (now.root != 0 || !where) &&
      still_ours(now.physical, guest.memory)) {
    out.physical = now.physical;
    out.root = now.root;
    out.executable = true;
  } else if (!where) {
    out.note = where.error().what;
    return out;
  } else {
    out.physical = where->physical;
    out.root = where->root;
    out.executable = where->executable;
  }
  std::array<std::byte, 16> code{};
  const std::size_t got = guest.memory.read(*out.physical, code);
  if (got == 0) {
    out.note = fmt::format("{:#x} is physical {:#x}, which is not memory", site.point.at.value,
                           out.physical->value);
    out.physical.reset();
    return out;
  }
  hide(*out.physical, code);
  out.blank = std::all_of(code.begin(), code.begin() + static_cast<std::ptrdiff_t>(got),
                          [](std::byte b) { return b == std::byte{0}; });
  return out;
}

/// An instruction costs nothing and there are as many as one likes, but it needs code to stand in:
/// what is loaded later would overwrite it. A slot needs nothing to be there. Where both are out,
/// writes to the page exit, so that the instruction survives the loader.
Result<Placement> Sites::place_software(const Site& site, Plan& plan, const Guest* guest) const {
  Placement out;
  const Ground ground = guest != nullptr ? TRY(survey(site, *guest)) : Ground{};
  out.note = ground.note;
  const bool patchable = ground.physical && ground.executable && !guest->instructions_blocked &&
                         (facts_.int3_exit || facts_.int3_internal_error);
  const auto before = ground.physical ? patches_.find(ground.physical->value) : patches_.end();
  const bool volatile_code =
      ground.blank || (before != patches_.end() && before->second.overwritten);
  const auto patch = [&] {
    return Placement{Method::instruction,
                     {},
                     *ground.physical,
                     ground.root,
                     facts_.write_protect && volatile_code};
  };
  const bool stands = site.placement.method == Method::instruction;
  if ((facts_.int3_exit || stands) && patchable && !volatile_code) return patch();
  if (facts_.hardware_exec && in_linear_space(site.point) &&
      take_slot({site.point.at.value, 1, PointKind::hardware}, plan, out)) {
    out.method = Method::slots;
    return out;
  }
  if (patchable) return patch();
  if (ground.physical && facts_.single_step) out.method = Method::stepping;
  return out;
}

/// What has slots keeps them; then come points that want some, software points last.
Result<Sites::Plan> Sites::plan(const std::vector<Site>& sites, const Guest* guest) const {
  Plan out;
  out.placements.resize(sites.size());
  for (const bool had_one : {true, false}) {
    for (std::size_t i = 0; i < sites.size(); ++i) {
      const PointKind kind = sites[i].point.kind;
      const bool has = sites[i].placement.method == Method::slots;
      if (kind == PointKind::software || has != had_one) continue;
      out.placements[i] =
          TRY(is_watch(kind) ? place_watch(sites[i], out) : place_hardware(sites[i], out));
    }
  }
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (sites[i].point.kind == PointKind::software) {
      out.placements[i] = TRY(place_software(sites[i], out, guest));
    }
  }
  return out;
}

} // namespace kdbg::kvm
