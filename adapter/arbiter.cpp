#include "adapter/arbiter.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <random>

namespace kdbg {
namespace {

std::uint32_t number(ClientId id) {
  return static_cast<std::uint32_t>(id);
}

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

ClientId Arbiter::join(FrontEnd& front_end, std::string protocol, std::string peer, Role role) {
  ClientId id{++last_id_};
  const Member& member =
      clients_.emplace(id, Member{&front_end, std::move(protocol), std::move(peer), role})
          .first->second;
  if (trace_.on()) trace_.note(fmt::format("client {} joined", number(id)));
  tell(ClientJoined{id, member.name()}, id);
  return id;
}

void Arbiter::rename(ClientId id, std::string protocol) {
  if (auto found = clients_.find(id); found != clients_.end()) {
    found->second.protocol = std::move(protocol);
  }
}

Role Arbiter::role(ClientId id) const {
  const auto found = clients_.find(id);
  return found == clients_.end() ? Role::observe : found->second.role;
}

void Arbiter::lower(ClientId id) {
  if (auto found = clients_.find(id); found != clients_.end()) found->second.role = Role::observe;
}

void Arbiter::leave(ClientId id) {
  if (clients_.erase(id) == 0) return;
  if (trace_.on()) trace_.note(fmt::format("client {} left", number(id)));
  rest(id);
  lease_.release(id);
  forget_points(id);
  tell(ClientLeft{id});
}

/// The target also removes points under a running guest, so no path out leaves one behind.
void Arbiter::forget_points(ClientId id) {
  if (auto removed = remove_all(id); !removed) {
    trace_.note(fmt::format("client {} left a point behind: {}", number(id), removed.error().what));
  }
  for (auto it = owners_.begin(); it != owners_.end();) {
    std::erase_if(it->second, of(id));
    it = it->second.empty() ? owners_.erase(it) : std::next(it);
  }
}

std::string Arbiter::pairing(ClientId id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return {};
  if (found->second.pairing.empty()) {
    std::random_device random;
    for (int i = 0; i < 4; ++i) {
      found->second.pairing += fmt::format("{:08x}", random());
    }
  }
  return found->second.pairing;
}

Result<ClientId> Arbiter::follow(ClientId id, FrontEnd& front_end, std::string_view pairing) {
  const auto leader = std::find_if(clients_.begin(), clients_.end(), [&](const auto& entry) {
    return entry.first != id && !pairing.empty() && entry.second.pairing == pairing;
  });
  if (leader == clients_.end()) {
    return Error{Code::bad_request, "no client has this pairing: jKvm.hello gives it"};
  }
  const ClientId now = leader->first;
  leave(id);
  leader->second.followers.push_back(&front_end);
  return now;
}

void Arbiter::unfollow(ClientId id, FrontEnd& front_end) {
  if (const auto found = clients_.find(id); found != clients_.end()) {
    std::erase(found->second.followers, &front_end);
  }
}

void Arbiter::keep_points(ClientId id, bool keep) {
  if (const auto found = clients_.find(id); found != clients_.end()) {
    found->second.keeps_points = keep;
  }
  if (keep) lease_.forget_rest(id);
}

bool Arbiter::keeps_points(ClientId id) const {
  const auto found = clients_.find(id);
  return found != clients_.end() && found->second.keeps_points;
}

bool Arbiter::owns(ClientId id, const Point& point) const {
  const auto found = owners_.find(point);
  return found != owners_.end() && std::any_of(found->second.begin(), found->second.end(), of(id));
}

std::string Arbiter::describe(ClientId id) const {
  const auto found = clients_.find(id);
  const std::string name = found == clients_.end() ? std::string() : found->second.name();
  return fmt::format("client {}{}", number(id), name.empty() ? "" : " (" + name + ")");
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
    ClientInfo info{id, member.name(), 0, lease_.holder() == id, member.role};
    for (const auto& entry : owners_) {
      info.points += owns(id, entry.first) ? 1 : 0;
    }
    list.push_back(std::move(info));
  }
  return list;
}

Status Arbiter::admit(ClientId id, Access access) const {
  const auto client = clients_.find(id);
  if (client == clients_.end()) {
    return Error{Code::closed, fmt::format("client {} has left", number(id))};
  }
  if (access == Access::observe) return Done{}; // the target itself refuses what needs a stop
  if (client->second.role == Role::observe) {
    return Error{Code::not_owner, fmt::format("client {} may only observe", number(id))};
  }
  if (access == Access::act) return Done{};
  if (access == Access::drive && lease_.held_by_other(id)) {
    return Error{Code::not_owner,
                 fmt::format("run control is held by {}", describe(*lease_.holder()))};
  }
  if (running(id)) return still_running();
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
  points_changed(id);
  return Done{};
}

Status Arbiter::remove(ClientId id, const Point& point) {
  auto found = owners_.find(point);
  if (!owns(id, point)) {
    return Error{Code::bad_request,
                 fmt::format("client {} has no {}", number(id), kdbg::describe(point))};
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
  points_changed(id);
  return Done{};
}

Status Arbiter::remove_all(ClientId id) {
  std::vector<Point> mine;
  for (const auto& entry : owners_) {
    if (owns(id, entry.first)) mine.push_back(entry.first);
  }
  Status outcome = Done{};
  for (const Point& point : mine) {
    if (auto removed = remove(id, point); !removed && outcome) outcome = removed;
  }
  return outcome;
}

} // namespace kdbg
