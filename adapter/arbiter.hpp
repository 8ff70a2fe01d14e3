#pragma once
/// All clients of one machine: who is here, whose points are in, who may move the guest, and who
/// is told what. Lives on one strand; nothing in here locks. Knows no protocol.
#include "adapter/audit.hpp"
#include "adapter/front_end.hpp"
#include "adapter/lease.hpp"
#include "adapter/target.hpp"
#include "adapter/trace.hpp"

#include <chrono>
#include <deque>
#include <map>

namespace kdbg {

/// What a command asks of the arbiter.
enum class Access : std::uint8_t {
  observe, ///< reads, or joins a run
  act,     ///< on a guest that may be running: interrupts it, types, sets points, takes control
  change,  ///< registers, memory: needs a stopped guest
  drive,   ///< moves the guest: needs the run lease
};

/// What came of a resume.
enum class Moved : std::uint8_t {
  began,   ///< a run
  joined,  ///< the run under way: its stop is this client's too
  present, ///< nothing moves: the answer is the present stop
};

/// One client, as the others may see it.
struct ClientInfo {
  ClientId id{};
  std::string name;       ///< where it comes from: "gdb from 127.0.0.1:4321"; may be empty
  std::size_t points = 0; ///< that it wants
  bool drives = false;    ///< holds run control
  Role role = Role::control;
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
  ClientId join(FrontEnd& front_end,
                std::string protocol = {},
                std::string peer = {},
                Role role = Role::control);
  /// It turned out to speak another protocol than its first byte told, or says its name.
  void rename(ClientId id, std::string protocol);
  Role role(ClientId id) const;
  /// From now on it only looks. There is no way back.
  void lower(ClientId id);
  /// Its points go with it, its lease is free again. The guest keeps running or stopped.
  void leave(ClientId id);

  /// A secret with which another connection can become this client's follower.
  std::string pairing(ClientId id);
  /// The client on this connection is, from now on, the one that got `pairing`, and follows it: its
  /// resumes only join runs, but in a drive. Points that it has set before are gone.
  Result<ClientId> follow(ClientId id, FrontEnd& front_end, std::string_view pairing);
  void unfollow(ClientId id, FrontEnd& front_end);
  /// Until its next stop, what its follower says of points is not meant: a debugger that joins a
  /// run first takes out the point it stands on. Its resume then begins no drive.
  void keep_points(ClientId id, bool keep);
  bool keeps_points(ClientId id) const;

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
  /// Of a guest that others see running: joins that run. Else it takes the lease and begins one;
  /// a follower does so in a drive alone.
  Result<Moved> resume(ClientId id, const Resume& how, bool follower = false);
  /// Takes the lease. Until `rest`, what this client's follower does is one run to the others.
  Status drive(ClientId id);
  /// True: the follower's next resume begins another drive, unless the lease passes to another
  /// client, or this one keeps its points, before.
  bool rest(ClientId id);
  /// Stops a running guest, and a drive between two of its runs.
  void interrupt(ClientId id);
  /// Does the guest run, as far as this client can know?
  bool running(ClientId id) const { return target_.running() || lease_.hidden_from(id); }
  /// Run control passes to this client, whoever had it. A run that is under way goes on, and its
  /// stop still reaches everybody who waits for it.
  void take_control(ClientId id);

  /// Changes are written there from now on; it must outlive this.
  void keep_audit(Audit& audit) { audit_ = &audit; }
  bool audited() const { return audit_ != nullptr; }
  void audit(ClientId id, std::string_view what, std::string_view outcome) {
    audit_->line(describe(id), what, outcome);
  }

  bool owns(ClientId id, const Point& point) const;
  /// "client 2 (gdb from 127.0.0.1:4321)".
  std::string describe(ClientId id) const;
  /// All that is installed, with its owners.
  std::vector<PointState> points() const;
  /// The latest stops, at most so many, oldest first.
  std::vector<PastStop> stops(std::size_t most) const;

  /// To the trace, and to every client in order of arrival, except one that caused it.
  void publish(Event event, std::optional<ClientId> except = {});
  /// The same without the trace.
  void tell(const Event& event, std::optional<ClientId> except = {});

private:
  struct Member {
    FrontEnd* front_end = nullptr;
    std::string protocol, peer;
    Role role = Role::control;
    std::vector<FrontEnd*> followers{};
    std::string pairing{}; ///< empty until asked for
    bool keeps_points = false;
    std::string name() const;
  };
  void forget_points(ClientId id);
  void points_changed(ClientId by);
  bool between_runs(const Stop& stop) const;
  void show_stop(std::optional<ClientId> except);
  void remember(const Stopped& stopped);
  static void tell_followers(const Member& member, const Event& event);

  Target& target_;
  Trace& trace_;
  Clock clock_;
  Audit* audit_ = nullptr;
  std::map<ClientId, Member> clients_;
  std::map<Point, std::vector<Wish>> owners_; ///< a client once at most
  Lease lease_;
  std::deque<PastStop> stops_;
  std::optional<ClientId> resumed_by_; ///< of the run under way, or the latest
  bool moved_points_ = false;          ///< in the drive under way
  std::uint32_t last_id_ = 0;
};

} // namespace kdbg
