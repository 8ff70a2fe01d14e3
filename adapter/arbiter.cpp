#include "adapter/arbiter.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg {
namespace {

std::uint32_t number(ClientId id) {
  return static_cast<std::uint32_t>(id);
}

/// A stop is kept without watched values that are longer than this, in bytes.
constexpr std::size_t long_value = 64;
constexpr std::size_t stops_kept = 256;

auto of(ClientId id) {
  return [id](const Wish& wish) { return wish.client == id; };
}

Error still_running() {
  return Error{Code::running, "the guest is running; interrupt it first"};
}

} // namespace

std::string Arbiter::Member::name() const {
  return peer.empty() ? protocol : fmt::format("{} from {}", protocol, peer);
}

ClientId Arbiter::join(FrontEnd& front_end, std::string protocol, std::string peer) {
  ClientId id{++last_id_};
  const Member& member =
      clients_.emplace(id, Member{&front_end, std::move(protocol), std::move(peer)}).first->second;
  if (trace_.on()) trace_.note(fmt::format("client {} joined", number(id)));
  tell(ClientJoined{id, member.name()}, id);
  return id;
}

void Arbiter::rename(ClientId id, std::string protocol) {
  if (auto found = clients_.find(id); found != clients_.end()) {
    found->second.protocol = std::move(protocol);
  }
}

void Arbiter::leave(ClientId id) {
  if (clients_.erase(id) == 0) return;
  if (trace_.on()) trace_.note(fmt::format("client {} left", number(id)));
  if (driver_ == id) driver_.reset();
  // The target also removes points under a running guest, so no path out leaves one behind.
  if (auto removed = remove_all(id); !removed) {
    trace_.note(fmt::format("client {} left a point behind: {}", number(id), removed.error().what));
  }
  for (auto it = owners_.begin(); it != owners_.end();) {
    std::erase_if(it->second, of(id));
    it = it->second.empty() ? owners_.erase(it) : std::next(it);
  }
  tell(ClientLeft{id});
}

std::vector<PointState> Arbiter::points() const {
  auto points = target_.points();
  for (PointState& state : points) {
    const auto found = owners_.find(state.point);
    if (found == owners_.end()) continue;
    for (const Wish& wish : found->second) {
      state.owners.push_back(wish.client);
    }
  }
  return points;
}

std::vector<PastStop> Arbiter::stops(std::size_t most) const {
  const auto count = static_cast<std::ptrdiff_t>(std::min(most, stops_.size()));
  return {stops_.end() - count, stops_.end()};
}

std::vector<ClientInfo> Arbiter::clients() const {
  std::vector<ClientInfo> list;
  for (const auto& [id, member] : clients_) {
    ClientInfo info{id, member.name(), 0, driver_ == id};
    for (const auto& [point, owners] : owners_) {
      info.points += std::any_of(owners.begin(), owners.end(), of(id)) ? 1 : 0;
    }
    list.push_back(std::move(info));
  }
  return list;
}

Status Arbiter::admit(ClientId id, Access access) const {
  if (!clients_.contains(id)) {
    return Error{Code::closed, fmt::format("client {} has left", number(id))};
  }
  switch (access) {
  case Access::points:
  case Access::observe:
    return Done{}; // the target itself refuses what needs a stopped guest
  case Access::change:
    break;
  case Access::drive:
    if (driver_ && *driver_ != id) {
      return Error{Code::not_owner,
                   fmt::format("run control is held by client {}", number(*driver_))};
    }
    break;
  }
  if (target_.running()) return still_running();
  return Done{};
}

Status Arbiter::insert(ClientId id, VcpuId vcpu, const Point& point, const Rule& rule) {
  const auto found = owners_.find(point);
  std::vector<Wish> wishes = found == owners_.end() ? std::vector<Wish>{} : found->second;
  const auto mine = std::find_if(wishes.begin(), wishes.end(), of(id));
  // RSP wants inserts to be idempotent: a client counts once however often it asks.
  if (mine != wishes.end() && mine->rule == rule) return Done{};
  if (mine != wishes.end()) {
    mine->rule = rule;
  } else {
    wishes.push_back({id, rule});
  }
  if (found == owners_.end()) TRY(target_.insert(vcpu, point));
  if (auto agreed = target_.agree(point, wishes); !agreed) {
    if (found == owners_.end()) ignore(target_.remove(point)); // the first failure is told
    return agreed;
  }
  owners_[point] = std::move(wishes);
  tell(PointsChanged{id}, id);
  return Done{};
}

Status Arbiter::remove(ClientId id, const Point& point) {
  auto found = owners_.find(point);
  if (found == owners_.end() || std::none_of(found->second.begin(), found->second.end(), of(id))) {
    return Error{Code::bad_request,
                 fmt::format("client {} has no {}", number(id), describe(point))};
  }
  if (found->second.size() == 1) {
    TRY(target_.remove(point));
    owners_.erase(found);
  } else {
    std::vector<Wish> wishes = found->second;
    std::erase_if(wishes, of(id));
    TRY(target_.agree(point, wishes));
    found->second = std::move(wishes);
  }
  tell(PointsChanged{id}, id);
  return Done{};
}

Status Arbiter::remove_all(ClientId id) {
  std::vector<Point> mine;
  for (const auto& [point, owners] : owners_) {
    if (std::any_of(owners.begin(), owners.end(), of(id))) mine.push_back(point);
  }
  Status outcome = Done{};
  for (const Point& point : mine) {
    if (auto removed = remove(id, point); !removed && outcome) outcome = removed;
  }
  return outcome;
}

Status Arbiter::resume(ClientId id, const Resume& how) {
  const std::uint64_t epoch = target_.stop().epoch + 1;
  TRY(target_.resume(how));
  driver_ = id;
  publish(Resumed{epoch, id}, id);
  return Done{};
}

void Arbiter::take_control(ClientId id) {
  if (trace_.on()) trace_.note(fmt::format("client {} takes run control", number(id)));
  driver_ = id;
}

void Arbiter::publish(const Event& event, std::optional<ClientId> except) {
  trace_.event(event);
  remember(event);
  tell(event, except);
}

void Arbiter::remember(const Event& event) {
  if (const auto* resumed = std::get_if<Resumed>(&event)) resumed_by_ = resumed->by;
  const auto* stopped = std::get_if<Stopped>(&event);
  if (stopped == nullptr) return;
  PastStop past{stopped->stop, clock_(), std::exchange(resumed_by_, {})};
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
  if (const auto* line = std::get_if<LogLine>(&event)) {
    const auto found = clients_.find(line->client);
    if (found != clients_.end()) found->second.front_end->on_event(event);
    return;
  }
  // A front end may make clients come and go while it handles the event.
  std::vector<ClientId> present;
  for (const auto& entry : clients_) {
    present.push_back(entry.first);
  }
  for (ClientId id : present) {
    if (id == except) continue;
    auto found = clients_.find(id);
    if (found != clients_.end()) found->second.front_end->on_event(event);
  }
}

} // namespace kdbg
