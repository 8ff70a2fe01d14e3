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
  const SlotRange usable = arch_.slots_for(slot.kind);
  std::optional<unsigned> free;
  for (unsigned n = usable.first; usable.holds(n); ++n) {
    if (plan.slots[n] == slot) return take(n); // shared with an equal one
    if (plan.slots[n]) continue;
    if (placed_.slots[n] == slot) return take(n); // stays where it was
    if (!free || (placed_.slots[*free] && !placed_.slots[n])) free = n;
  }
  return free && take(*free);
}

/// The numbers that each kind of catchpoint can have (I/O ports: SDM vol. 1, 19.3).
Status check_catch(const Point& point, const Arch& arch) {
  std::uint64_t numbers = 0; // 0: all of 64 bits
  switch (point.kind) {
  case PointKind::port:
    numbers = 0x10000;
    break;
  case PointKind::msr:
    numbers = std::uint64_t{1} << 32;
    break;
  case PointKind::exception:
    numbers = arch.exceptions();
    break;
  default:
    break;
  }
  const bool missing = (point.kind == PointKind::port && !arch.has_ports()) ||
                       (point.kind == PointKind::exception && numbers == 0);
  if (missing) {
    return Error{Code::unsupported,
                 fmt::format("{}: {} has no {} that could be caught by number", describe(point),
                             arch.info().name, name(point.kind))};
  }
  const std::uint64_t last = point.at.value + (point.length - 1);
  if (point.length == 0 || last < point.at.value || (numbers != 0 && last >= numbers)) {
    return Error{Code::bad_request, fmt::format("{}: {} of them; numbers end at {:#x}",
                                                describe(point), point.length, numbers - 1)};
  }
  if (point.kind == PointKind::exception && point.length != 1) {
    return Error{Code::bad_request, describe(point) + ": a catchpoint takes one vector"};
  }
  const bool directed = point.kind != PointKind::exception && point.kind != PointKind::hypercall;
  if (!directed && (!point.reads || !point.writes)) {
    return Error{Code::bad_request, describe(point) + ": it is neither a read nor a write"};
  }
  constexpr std::uint64_t widest_port = 0xffffffff;
  if (point.kind == PointKind::port && point.value.value_or(0) > widest_port) {
    return Error{Code::bad_request, describe(point) + ": an access to a port has at most 4 bytes"};
  }
  if (point.reads || point.writes) return Done{};
  return Error{Code::bad_request, describe(point) + " would stop at neither reads nor writes"};
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
  if (arch_.slots_for(site.point.kind).count == 0) {
    return Error{Code::unsupported,
                 fmt::format("hardware breakpoints: not supported on {} KVM (no "
                             "KVM_GUESTDBG_USE_HW in this kernel API); use a software one",
                             arch_.info().name)};
  }
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
  out.linear = site.point.at.value;
  if (take_slot({out.linear, 1, PointKind::hardware}, plan, out)) return out;
  return no_slots(site.point, arch_.slots_for(site.point.kind).count);
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
  if (facts_.steps() && point.length <= most_compared) return Placement{Method::stepping};
  if (protects || facts_.steps()) {
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
                             point.length, point.at.value, arch_.slots_for(point.kind).count)};
  }
  return Error{
      Code::unsupported,
      "watchpoints do not work on this host's KVM: neither data breakpoints nor single-step"};
}

Result<Placement> Sites::place_catch(const Site& site) const {
  const Point& point = site.point;
  constexpr std::uint64_t x2apic = 0x800, x2apic_end = 0x900;
  if (point.kind == PointKind::msr && !facts_.register_exits) {
    return Error{Code::unsupported, "accesses to MSRs do not exit on this host's KVM "
                                    "(KVM_CAP_X86_MSR_FILTER); break on the instruction instead"};
  }
  if (point.kind == PointKind::msr && point.at.value < x2apic_end &&
      point.at.value + point.length > x2apic) {
    return Error{Code::unsupported, "KVM never hands over the MSRs of the x2APIC, 0x800-0x8ff"};
  }
  const bool known = point.at.value < 64 && point.length == 1 &&
                     (facts_.hypercall_exits >> point.at.value & 1) != 0;
  if (point.kind == PointKind::hypercall && !known) {
    return Error{
        Code::unsupported,
        fmt::format("KVM answers hypercall {:#x} itself: it can hand over those in the mask "
                    "{:#x} (KVM_CAP_EXIT_HYPERCALL); break on the vmcall instead",
                    point.at.value, facts_.hypercall_exits)};
  }
  return Placement{Method::exits};
}

/// Ranges that overlap or touch become one; KVM takes so many, each so long.
Result<Intercepts> Sites::intercepts(const std::vector<Site>& sites) {
  Intercepts out;
  std::map<std::uint64_t, std::uint64_t> ends; // by first
  for (const Site& site : sites) {
    const std::uint64_t first = site.point.at.value, end = first + site.point.length;
    if (site.point.kind == PointKind::hypercall) out.hypercalls |= std::uint64_t{1} << first;
    if (site.point.kind == PointKind::msr) ends[first] = std::max(ends[first], end);
  }
  std::uint64_t covered = 0;
  for (const auto& [first, end] : ends) {
    for (std::uint64_t at = std::max(first, covered); at < end;) {
      const auto count =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(end - at, max_filtered));
      const bool joins = !out.registers.empty() && at == covered && at != 0 &&
                         out.registers.back().count + count <= max_filtered;
      if (joins) {
        out.registers.back().count += count;
      } else {
        out.registers.push_back({static_cast<std::uint32_t>(at), count});
      }
      covered = at += count;
    }
  }
  if (out.registers.size() <= max_register_ranges) return out;
  return Error{
      Code::no_free_slot,
      fmt::format("the MSRs caught make {} separate ranges; KVM filters at most {}, of {:#x} "
                  "MSRs each",
                  out.registers.size(), max_register_ranges, max_filtered)};
}

bool Sites::still_ours(GuestPhys at, const GuestMemory& memory) const {
  const auto patch = patches_.find(at.value);
  return patch != patches_.end() && stands(at.value, patch->second, memory);
}

/// A site stays on its page while other page tables are in use, which may show other memory or
/// none at its address, as long as the guest leaves our instruction alone. It moves when the
/// tables that showed it change, or when paging comes on.
Result<Sites::Ground> Sites::survey(const Site& site, const Guest& guest) const {
  const Placement& now = site.placement;
  Ground out;
  Address at = site.point.at;
  if (site.point.kind == PointKind::exception) {
    auto entry = guest.entry(site.vcpu, static_cast<unsigned>(at.value));
    if (!entry && entry.error().code == Code::kernel) return entry.error();
    out.note = entry ? "" : entry.error().what;
    if (!entry) return out;
    at.value = entry->value;
  }
  out.linear = at.value;
  auto where = guest.translate(site.vcpu, at);
  if (!where && where.error().code == Code::kernel) return where.error();
  const bool elsewhere = out.linear == now.linear && (!where || where->root != now.root);
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
    out.note =
        fmt::format("{:#x} is physical {:#x}, which is not memory", at.value, out.physical->value);
    out.physical.reset();
    return out;
  }
  hide(*out.physical, code);
  const auto present = std::span(code).first(got);
  out.blank =
      std::all_of(present.begin(), present.end(), [](std::byte b) { return b == std::byte{0}; });
  const auto first = present.first(std::min(got, max_breakpoint));
  out.executable = out.executable && !arch_.breakpoint_instruction(first).empty();
  return out;
}

/// An instruction costs nothing and there are as many as one likes, but it needs code to stand in:
/// what is loaded later would overwrite it. A slot needs nothing to be there. Where both are out,
/// writes to the page exit, so that the instruction survives the loader.
Result<Placement> Sites::place_software(const Site& site, Plan& plan, const Guest* guest) const {
  Placement out;
  const Ground ground = guest != nullptr ? TRY(survey(site, *guest)) : Ground{site.point.at.value};
  out.linear = ground.linear;
  out.note = ground.note;
  const bool patchable = ground.physical && ground.executable && !guest->instructions_blocked &&
                         (facts_.breakpoint_exit || facts_.breakpoint_internal_error);
  const auto before = ground.physical ? patches_.find(ground.physical->value) : patches_.end();
  const bool volatile_code =
      ground.blank || (before != patches_.end() && before->second.overwritten);
  const auto patch = [&] {
    return Placement{Method::instruction, {},          ground.linear,
                     *ground.physical,    ground.root, facts_.write_protect && volatile_code};
  };
  const bool stands = site.placement.method == Method::instruction;
  if ((facts_.breakpoint_exit || stands) && patchable && !volatile_code) return patch();
  const bool handled = site.point.kind != PointKind::exception || ground.linear != 0;
  if (facts_.hardware_exec && in_linear_space(site.point) && handled &&
      take_slot({ground.linear, 1, PointKind::hardware}, plan, out)) {
    out.method = Method::slots;
    return out;
  }
  if (patchable) return patch();
  if (ground.physical && facts_.steps()) out.method = Method::stepping;
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
      if (!(is_watch(kind) || kind == PointKind::hardware) || has != had_one) continue;
      out.placements[i] =
          TRY(is_watch(kind) ? place_watch(sites[i], out) : place_hardware(sites[i], out));
    }
  }
  for (std::size_t i = 0; i < sites.size(); ++i) {
    const PointKind kind = sites[i].point.kind;
    if (is_catch(kind)) TRY(check_catch(sites[i].point, arch_));
    if (kind == PointKind::software || kind == PointKind::exception) {
      out.placements[i] = TRY(place_software(sites[i], out, guest));
    } else if (is_catch(kind)) {
      out.placements[i] = TRY(place_catch(sites[i]));
    }
  }
  return out;
}

} // namespace kdbg::kvm
