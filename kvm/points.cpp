// The clients' side of the engine: points, and what clients say to their hits.
#include "kvm/engine.hpp"

#include <fmt/format.h>

namespace kdbg::kvm {
namespace {

std::string pending(const std::string& why) {
  if (why.empty()) return "pending: placed at the next resume";
  return "pending, polled: a first hit may be missed: " + why;
}

} // namespace

/// What is placed changes at the next resume; under a running guest, at a pause of which no client
/// hears.
void Engine::place_soon() {
  if (!running_) return;
  changed_ = true;
  vmm_.halt();
}

Status Engine::insert(VcpuId id, const Point& point) {
  TRY(check(id, false));
  // ROM is memory too, but writes to it exit
  if (point.kind == PointKind::mmio && !vmm_.memory().rom(GuestPhys{point.at.value})) {
    for (const MemoryRange& range : vmm_.memory().extent()) {
      const std::uint64_t offset = point.at.value - range.start;
      if (offset >= range.size || point.length > range.size - offset) continue;
      return Error{Code::bad_request, kdbg::describe(point) +
                                          ": that is memory, which is accessed without an exit; "
                                          "use a watchpoint"};
    }
  }
  TRY(sites_.add(id, point));
  rules_.add(point);
  place_soon();
  return Done{};
}

Status Engine::agree(const Point& point, std::vector<Wish> wishes) {
  if (!rules_.knows(point)) {
    return Error{Code::bad_request, "there is no " + kdbg::describe(point)};
  }
  for (const Wish& wish : wishes) {
    for (const auto* list : {&wish.rule.conditions, &wish.rule.log}) {
      for (const Expression& each : *list) {
        TRY(check_bytecode(each.code));
      }
    }
  }
  rules_.agree(point, std::move(wishes));
  return Done{};
}

Status Engine::remove(const Point& point) {
  TRY(sites_.remove(point));
  rules_.forget(point); // its hits mean nothing from now on
  place_soon();
  return Done{};
}

std::vector<PointState> Engine::points() const {
  std::vector<PointState> out;
  for (const Site& site : sites_.wanted()) {
    const Placement& placement = site.placement;
    std::string strategy;
    switch (placement.method) {
    case Placement::Method::instruction:
      strategy = fmt::format("{}{} at physical {:#x}", arch_.breakpoint_name(),
                             facts_.breakpoint_exit ? "" : ", seen as a failed emulation",
                             placement.physical.value);
      break;
    case Placement::Method::slots:
      strategy = "hardware slot";
      for (const unsigned slot : placement.slots) {
        strategy += fmt::format(" {}", slot);
      }
      break;
    case Placement::Method::protection:
      strategy = watches_.missing(site.point).empty()
                     ? "writes to its page exit: read-only memory slot"
                     : pending(watches_.missing(site.point));
      break;
    case Placement::Method::exits:
      strategy = "exits of the guest, filtered";
      break;
    case Placement::Method::stepping:
      strategy = "every instruction single-stepped: slow";
      break;
    case Placement::Method::pending:
      strategy = pending(placement.note);
      break;
    }
    PointState state{site.point, std::move(strategy)};
    rules_.describe(state);
    out.push_back(std::move(state));
  }
  return out;
}

} // namespace kdbg::kvm
