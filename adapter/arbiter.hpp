#pragma once
/// All clients of one machine: who is here, whose points are in, who may move the guest, and who
/// is told what. Lives on one strand; nothing in here locks. Knows no protocol.
#include "adapter/front_end.hpp"
#include "adapter/target.hpp"
#include "adapter/trace.hpp"

#include <chrono>
#include <deque>
#include <map>

namespace kdbg {

/// What a command asks of the arbiter.
enum class Access : std::uint8_t {
  observe, ///< reads
  points,  ///< points: also while the guest runs
  change,  ///< registers, memory: needs a stopped guest
  drive,   ///< moves the guest: needs the run lease
};

/// One client, as the others may see it.
struct ClientInfo {
  ClientId id{};
  std::string name;       ///< where it comes from: "gdb from 127.0.0.1:4321"; may be empty
  std::size_t points = 0; ///< that it wants
  bool drives = false;    ///< holds run control
};

/// One stop of the time line.
struct PastStop {
  Stop stop; ///< long watched values are left out
  std::chrono::system_clock::time_point time{};
  std::optional<ClientId> resumed_by; ///< who began the run that it ended, if a client did
};

class Arbiter {
public:
  using Clock = std::function<std::chrono::system_clock::time_point()>;
  Arbiter(Target& target, Trace& trace, Clock clock = &std::chrono::system_clock::now)
      : target_(target), trace_(trace), clock_(std::move(clock)) {}

  /// `front_end` must outlive its `leave`.
  /// `peer`: where it connects from; both are only for people.
  ClientId join(FrontEnd& front_end, std::string protocol = {}, std::string peer = {});
  /// It turned out to speak another protocol than its first byte told.
  void rename(ClientId id, std::string protocol);
  /// Its points go with it, its lease is free again. The guest keeps running or stopped.
  void leave(ClientId id);
  std::size_t client_count() const { return clients_.size(); }
  /// In order of arrival.
  std::vector<ClientInfo> clients() const;

  /// The one table of who may do what: Code::running, Code::not_owner.
  Status admit(ClientId id, Access access) const;

  /// The first owner's reaches the target as a point, and every owner's rule does. Again by the
  /// same client: this rule instead of the one before.
  Status insert(ClientId id, VcpuId vcpu, const Point& point, const Rule& rule = {});
  Status remove(ClientId id, const Point& point); ///< the last owner reaches the target
  Status remove_all(ClientId id);
  Status resume(ClientId id, const Resume& how); ///< takes the lease
  /// Run control passes to this client, whoever had it. A run that is under way goes on, and its
  /// stop still reaches everybody who waits for it.
  void take_control(ClientId id);

  /// All that is installed, with its owners.
  std::vector<PointState> points() const;
  /// The latest stops, at most so many, oldest first.
  std::vector<PastStop> stops(std::size_t most) const;

  /// To the trace, and to every client in order of arrival, except one that caused it.
  void publish(const Event& event, std::optional<ClientId> except = {});
  /// The same without the trace.
  void tell(const Event& event, std::optional<ClientId> except = {});

private:
  void remember(const Event& event);
  Target& target_;
  Trace& trace_;
  Clock clock_;
  struct Member {
    FrontEnd* front_end = nullptr;
    std::string protocol, peer;
    std::string name() const;
  };
  std::map<ClientId, Member> clients_;
  std::map<Point, std::vector<Wish>> owners_; ///< a client once at most
  std::optional<ClientId> driver_;
  std::deque<PastStop> stops_;
  std::optional<ClientId> resumed_by_; ///< of the run under way
  std::uint32_t last_id_ = 0;
};

} // namespace kdbg
