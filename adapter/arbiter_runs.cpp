// The arbiter's other half: who moves the guest, and who is told what of it.
#include "adapter/arbiter.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg {
namespace {

/// A stop is kept without watched values that are longer than this, in bytes.
constexpr std::size_t long_value = 64;
constexpr std::size_t stops_kept = 256;

} // namespace

Result<Moved> Arbiter::resume(ClientId id, const Resume& how, bool follower) {
  if (const auto by = lease_.cut_by(id)) {
    const bool hidden = lease_.hides() && !target_.running();
    lease_.close();
    if (hidden) show_stop(id);
    return Error{Code::running, fmt::format("stopped by {}", describe(*by))};
  }
  if (running(id) && (follower || resumed_by_ != id)) return Moved::joined;
  if (follower && lease_.rests(id)) TRY(drive(id));
  if (follower && !lease_.driven_by(id)) return Moved::present;
  TRY(admit(id, Access::drive));
  const std::uint64_t epoch = target_.stop().epoch + 1;
  TRY(target_.resume(how));
  lease_.take(id);
  const Resumed resumed{epoch, id};
  resumed_by_ = id;
  if (lease_.announces(id)) {
    publish(resumed, id);
  } else {
    trace_.event(resumed);
  }
  return Moved::began;
}

Status Arbiter::drive(ClientId id) {
  TRY(admit(id, Access::drive));
  if (trace_.on()) trace_.note(describe(id) + " drives");
  lease_.open(id);
  return Done{};
}

bool Arbiter::rest(ClientId id) {
  if (!lease_.driven_by(id)) return lease_.rests(id);
  const bool hidden = lease_.hides() && !target_.running();
  lease_.rest();
  if (trace_.on()) trace_.note(describe(id) + " rests");
  if (hidden) show_stop(id);
  if (std::exchange(moved_points_, false)) tell(PointsChanged{id}, id);
  return lease_.rests(id);
}

void Arbiter::interrupt(ClientId id) {
  if (!target_.running() && lease_.hidden_from(id)) {
    lease_.cut(id);
    return show_stop(lease_.driver());
  }
  if (!target_.running()) lease_.stay(id);
  target_.interrupt(id);
}

void Arbiter::take_control(ClientId id) {
  if (trace_.on()) trace_.note(fmt::format("{} takes run control", describe(id)));
  const bool hidden = lease_.hidden_from(id) && !target_.running();
  const auto driver = lease_.driver();
  lease_.take(id);
  if (hidden) show_stop(driver);
  tell(ControlTaken{id}, id);
}

/// A debugger's own points come and go while it drives: the others hear of them once, at its rest.
void Arbiter::points_changed(ClientId by) {
  if (lease_.driven_by(by) && lease_.hides()) {
    moved_points_ = true;
  } else {
    tell(PointsChanged{by}, by);
  }
}

/// The present stop, to those who have not seen it come.
void Arbiter::show_stop(std::optional<ClientId> except) {
  lease_.show();
  const Stopped stopped{target_.stop(), std::exchange(resumed_by_, {})};
  remember(stopped);
  tell(stopped, except);
}

/// A step, or a hit of nobody's point but the driver's: its debugger may go on from here by itself.
bool Arbiter::between_runs(const Stop& stop) const {
  const auto driver = lease_.driver();
  if (!driver || !lease_.hides() || lease_.cut_by(*driver)) return false;
  return std::all_of(stop.vcpus.begin(), stop.vcpus.end(), [&](const VcpuStop& vcpu) {
    return std::all_of(vcpu.reasons.begin(), vcpu.reasons.end(), [&](const StopReason& reason) {
      if (std::holds_alternative<Stepped>(reason)) return true;
      const auto* hit = std::get_if<HitPoint>(&reason);
      if (hit == nullptr) return false;
      if (!hit->matched.clients.empty()) return hit->matched.clients == std::vector{*driver};
      const auto found = owners_.find(hit->point);
      return found != owners_.end() && found->second.size() == 1 && owns(*driver, hit->point);
    });
  });
}

void Arbiter::publish(Event event, std::optional<ClientId> except) {
  trace_.event(event);
  if (auto* stopped = std::get_if<Stopped>(&event)) {
    stopped->by = resumed_by_;
    if (between_runs(stopped->stop)) {
      const auto driver = clients_.find(*lease_.driver());
      return tell_followers(driver->second, event);
    }
    lease_.show();
    resumed_by_.reset();
    remember(*stopped);
  }
  tell(event, except);
}

void Arbiter::remember(const Stopped& stopped) {
  PastStop past{stopped.stop, clock_(), stopped.by};
  for (VcpuStop& vcpu : past.stop.vcpus) {
    for (StopReason& reason : vcpu.reasons) {
      auto* watch = std::get_if<HitWatch>(&reason);
      if (watch == nullptr || watch->before.size() <= long_value) continue;
      watch->before = {};
      watch->after = {};
    }
  }
  if (stops_.size() == stops_kept) stops_.pop_front();
  stops_.push_back(std::move(past));
}

void Arbiter::tell(const Event& event, std::optional<ClientId> except) {
  // A front end may make clients come and go while it handles the event.
  std::vector<ClientId> present;
  for (const auto& entry : clients_) {
    present.push_back(entry.first);
  }
  const auto* line = std::get_if<LogLine>(&event);
  for (ClientId id : present) {
    if (id == except || (line != nullptr && line->client != id)) continue;
    auto found = clients_.find(id);
    if (found == clients_.end()) continue;
    found->second.front_end->on_event(event);
    found = clients_.find(id);
    if (found != clients_.end()) tell_followers(found->second, event);
  }
}

void Arbiter::tell_followers(const Member& member, const Event& event) {
  const auto followers = member.followers;
  for (FrontEnd* follower : followers) {
    follower->on_event(event);
  }
}

} // namespace kdbg
