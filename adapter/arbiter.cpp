#include "adapter/arbiter.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg {
namespace {

std::uint32_t number(ClientId id) {
  return static_cast<std::uint32_t>(id);
}

Error still_running() {
  return Error{Code::running, "the guest is running; interrupt it first"};
}

} // namespace

ClientId Arbiter::join(FrontEnd& front_end, std::string name) {
  ClientId id{++last_id_};
  clients_.emplace(id, Member{&front_end, std::move(name)});
  if (trace_.on()) trace_.note(fmt::format("client {} joined", number(id)));
  return id;
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
    std::erase(it->second, id);
    it = it->second.empty() ? owners_.erase(it) : std::next(it);
  }
}

std::vector<ClientInfo> Arbiter::clients() const {
  std::vector<ClientInfo> list;
  for (const auto& [id, member] : clients_) {
    ClientInfo info{id, member.name, 0, driver_ == id};
    for (const auto& [point, owners] : owners_) {
      info.points += std::find(owners.begin(), owners.end(), id) != owners.end() ? 1 : 0;
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

Status Arbiter::insert(ClientId id, VcpuId vcpu, const Point& point) {
  auto found = owners_.find(point);
  if (found == owners_.end()) {
    TRY(target_.insert(vcpu, point));
    owners_.emplace(point, std::vector{id});
    return Done{};
  }
  auto& owners = found->second;
  // RSP wants inserts to be idempotent: a client counts once however often it asks.
  if (std::find(owners.begin(), owners.end(), id) == owners.end()) owners.push_back(id);
  return Done{};
}

Status Arbiter::remove(ClientId id, const Point& point) {
  auto found = owners_.find(point);
  if (found == owners_.end() ||
      std::find(found->second.begin(), found->second.end(), id) == found->second.end()) {
    return Error{Code::bad_request,
                 fmt::format("client {} has no {}", number(id), describe(point))};
  }
  if (found->second.size() == 1) {
    TRY(target_.remove(point));
    owners_.erase(found);
    return Done{};
  }
  std::erase(found->second, id);
  return Done{};
}

Status Arbiter::remove_all(ClientId id) {
  std::vector<Point> mine;
  for (const auto& [point, owners] : owners_) {
    if (std::find(owners.begin(), owners.end(), id) != owners.end()) mine.push_back(point);
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
