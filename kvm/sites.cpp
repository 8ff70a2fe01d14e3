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
  if (std::any_of(wanted_.begin(), wanted_.end(), same)) return Done{};
  const unsigned alignment = arch_.info().code_alignment;
  if ((point.kind == PointKind::software || point.kind == PointKind::hardware) &&
      point.at.value % alignment != 0) {
    return Error{Code::bad_request, fmt::format("{}: instructions of {} are aligned to {} bytes",
                                                describe(point), arch_.info().name, alignment)};
  }
  if (point.kind == PointKind::software && !facts_.breakpoint_exit && !facts_.hardware_exec &&
      !facts_.single_step) {
    return Error{
        Code::unsupported,
        "no kind of breakpoint works on this host's KVM; `kvmdbg probe` shows what was tried"};
  }
  wanted_.push_back({point, vcpu, {}});
  // It takes what the others leave. A client may bring ten thousand of these at every stop.
  if (point.kind == PointKind::software) return Done{};
  const auto planned = plan(wanted_, nullptr);
  const auto asked = intercepts();
  if (planned && asked) return Done{};
  wanted_.pop_back();
  return planned ? asked.error() : planned.error();
}

Status Sites::remove(const Point& point) {
  const auto erased = std::erase_if(wanted_, [&](const Site& site) { return site.point == point; });
  if (erased != 0) return Done{};
  return Error{Code::bad_request,
               fmt::format("there is no {} point at {:#x}", name(point.kind), point.at.value)};
}

Status Sites::place(GuestMemory& memory,
                    const Translator& translate,
                    const EntryFinder& entry,
                    bool instructions_blocked) {
  const Guest guest{memory, translate, entry, instructions_blocked};
  Plan next = TRY(plan(wanted_, &guest));
  placed_.instructions = placed_.stepping = placed_.catches = false;
  std::map<std::uint64_t, bool> wanted;
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    wanted_[i].placement = std::move(next.placements[i]);
    const Placement& placement = wanted_[i].placement;
    if (placement.method == Method::instruction) wanted[placement.physical.value] = true;
    placed_.stepping |= placement.method == Method::stepping;
    placed_.catches |= placement.method == Method::exits;
  }
  placed_.sites = wanted_;
  placed_.slots = next.slots;
  for (auto patch = patches_.begin(); patch != patches_.end();) {
    if (wanted.contains(patch->first)) {
      ++patch;
      continue;
    }
    take_out(memory, patch->first, patch->second);
    patch = patches_.erase(patch);
  }
  for (const auto& [at, unused] : wanted) {
    TRY(install(memory, GuestPhys{at}));
  }
  placed_.instructions = !wanted.empty();
  return Done{};
}

bool Sites::stands(std::uint64_t at, const Patch& patch, const GuestMemory& memory) {
  std::array<std::byte, max_breakpoint> present{};
  const auto bytes = std::span(present).first(patch.size);
  return memory.read(GuestPhys{at}, bytes) == patch.size &&
         std::equal(bytes.begin(), bytes.end(), patch.ours.begin());
}

Status Sites::install(GuestMemory& memory, GuestPhys at) {
  const auto known = patches_.find(at.value);
  const bool overwritten = known != patches_.end() && !stands(at.value, known->second, memory);
  if (known != patches_.end() && !overwritten) {
    // A client may have written other code over the guest's.
    const Patch& patch = known->second;
    const auto ours = arch_.breakpoint_instruction(ByteView(patch.original).first(patch.size));
    if (std::equal(ours.begin(), ours.end(), patch.ours.begin(), patch.ours.begin() + patch.size)) {
      return Done{};
    }
    take_out(memory, at.value, patch);
  }
  shrink_before(memory, at);
  // New, or the guest has written over ours: its bytes are the ones to keep. No further than to
  // the next of ours, whose bytes they are not.
  Patch patch{.overwritten = overwritten};
  const auto next = patches_.upper_bound(at.value);
  const std::size_t room = next == patches_.end()
                               ? max_breakpoint
                               : std::min<std::uint64_t>(max_breakpoint, next->first - at.value);
  const std::size_t got = memory.read(at, std::span(patch.original).first(room));
  const ByteView ours = arch_.breakpoint_instruction(ByteView(patch.original).first(got));
  if (ours.empty()) {
    return Error{Code::memory_fault,
                 fmt::format("cannot patch physical {:#x}: not memory", at.value)};
  }
  patch.size = static_cast<std::uint8_t>(ours.size());
  std::copy(ours.begin(), ours.end(), patch.ours.begin());
  patches_[at.value] = patch;
  memory.write(at, ours);
  return Done{};
}

/// A longer breakpoint instruction that reaches into `at` gives way to one that does not: no byte
/// of memory belongs to two of them, so they can leave in any order.
void Sites::shrink_before(GuestMemory& memory, GuestPhys at) {
  const auto next = patches_.lower_bound(at.value);
  if (next == patches_.begin()) return;
  auto& [before, patch] = *std::prev(next);
  const std::uint64_t room = at.value - before;
  if (patch.size <= room || !stands(before, patch, memory)) return;
  take_out(memory, before, patch);
  const ByteView ours = arch_.breakpoint_instruction(ByteView(patch.original).first(room));
  patch.size = static_cast<std::uint8_t>(ours.size());
  std::copy(ours.begin(), ours.end(), patch.ours.begin());
  memory.write(GuestPhys{before}, ours);
}

/// Only what is still ours is taken out: a page that the guest has reused keeps its new bytes.
void Sites::take_out(GuestMemory& memory, std::uint64_t at, const Patch& patch) {
  if (stands(at, patch, memory)) {
    memory.write(GuestPhys{at}, ByteView(patch.original).first(patch.size));
  }
}

Status Sites::withdraw(GuestMemory& memory) {
  for (const auto& [at, patch] : patches_) {
    take_out(memory, at, patch);
  }
  patches_.clear();
  for (auto* sites : {&wanted_, &placed_.sites}) {
    for (Site& site : *sites) {
      if (site.placement.method == Method::instruction) site.placement = {};
    }
  }
  return Done{};
}

void Sites::lift(GuestMemory& memory, GuestPhys at) {
  take_out(memory, at.value, patches_.at(at.value));
}

/// What stands there now is the guest's: only if it is not what was put there for the step has the
/// guest written over it.
Status Sites::restore(GuestMemory& memory, GuestPhys at) {
  const Patch lifted = patches_.at(at.value);
  TRY(install(memory, at));
  Patch& patch = patches_.at(at.value);
  patch.overwritten = lifted.overwritten || patch.size != lifted.size ||
                      !std::equal(patch.original.begin(), patch.original.begin() + patch.size,
                                  lifted.original.begin()); // behind those it may write as it likes
  return Done{};
}

Status Sites::extend(GuestMemory& memory, GuestPhys at) {
  if (patches_.contains(at.value)) return Done{};
  TRY(install(memory, at));
  patches_.at(at.value).temporary = true;
  return Done{};
}

void Sites::retract(GuestMemory& memory) {
  std::erase_if(patches_, [&](const auto& entry) {
    if (entry.second.temporary) take_out(memory, entry.first, entry.second);
    return entry.second.temporary;
  });
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

/// For each patch that shares bytes with `data`: those of `data`, and where in the patch they
/// begin.
template <class Patches, class Work>
void Sites::each_in(Patches& patches, GuestPhys at, std::span<std::byte> data, Work work) {
  const std::uint64_t before = at.value - std::min<std::uint64_t>(at.value, max_breakpoint - 1);
  const std::uint64_t end = at.value + data.size();
  for (auto entry = patches.lower_bound(before); entry != patches.end() && entry->first < end;
       ++entry) {
    auto& patch = entry->second;
    const std::uint64_t first = std::max(entry->first, at.value);
    const std::uint64_t last = std::min(entry->first + patch.size, end);
    if (first < last) {
      work(patch, data.subspan(first - at.value, last - first), first - entry->first);
    }
  }
}

bool Sites::overlap(GuestPhys at, std::size_t length) const {
  const auto next = patches_.lower_bound(at.value);
  if (next != patches_.end() && next->first - at.value < length) return true;
  return next != patches_.begin() &&
         at.value - std::prev(next)->first < std::prev(next)->second.size;
}

void Sites::hide(GuestPhys at, std::span<std::byte> data) const {
  const std::lock_guard lock(bytes_mutex_);
  each_in(patches_, at, data, [](const Patch& patch, std::span<std::byte> shown, std::size_t from) {
    if (std::equal(shown.begin(), shown.end(), patch.ours.begin() + from)) {
      std::copy_n(patch.original.begin() + from, shown.size(), shown.begin());
    }
  });
}

void Sites::absorb(GuestPhys at, std::span<std::byte> data) {
  const std::lock_guard lock(bytes_mutex_);
  each_in(patches_, at, data, [](Patch& patch, std::span<std::byte> written, std::size_t from) {
    std::copy(written.begin(), written.end(), patch.original.begin() + from);
    std::copy_n(patch.ours.begin() + from, written.size(), written.begin());
  });
}

} // namespace kdbg::kvm
