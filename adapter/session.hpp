#pragma once
/// One client's hand on the machine: the only way through which a protocol acts.
#include "adapter/arbiter.hpp"

namespace kdbg {

class Dumps;

/// What a command is applied to.
struct Caller {
  ClientId id;
  Target& target;
  Arbiter& arbiter;
  bool follower = false; ///< this connection moves the guest in a drive alone
};

class Session {
public:
  /// `dumps` is null where no core files can be written.
  Session(Target& target, Arbiter& arbiter, Trace& trace, Dumps* dumps = nullptr)
      : target_(target), arbiter_(arbiter), trace_(trace), dumps_(dumps) {}

  /// Call once, when the front end exists. The words are what other clients are shown.
  void join(FrontEnd& front_end,
            std::string protocol = {},
            std::string peer = {},
            Role role = Role::control) {
    front_end_ = &front_end;
    id_ = arbiter_.join(front_end, std::move(protocol), std::move(peer), role);
  }
  /// A follower is shown by its client's name.
  void rename(std::string protocol) {
    if (!follower_) arbiter_.rename(id_, std::move(protocol));
  }
  /// From now on this is one more connection of the client that got `pairing`, and follows it.
  Status follow(std::string_view pairing);
  void leave();
  ClientId id() const { return id_; }
  bool follower() const { return follower_; }
  /// What a follower's debugger takes out and puts back around a resume that only joins stays in.
  bool keeps_points() const { return follower_ && arbiter_.keeps_points(id_); }
  /// It has been told of a stop: from now on its points are its user's again.
  void told_stop() {
    if (follower_) arbiter_.keep_points(id_, false);
  }
  /// Does the guest run, as far as this client can know?
  bool running() const { return arbiter_.running(id_); }
  bool owns(const Point& point) const { return arbiter_.owns(id_, point); }
  /// "client 2 (gdb from 127.0.0.1:4321)".
  std::string describe(ClientId id) const { return arbiter_.describe(id); }

  /// Command: a struct with Reply, access, name and `Result<Reply> apply(Caller) const`.
  template <class Command>
  Result<typename Command::Reply> execute(const Command& command) {
    if (auto admitted = arbiter_.admit(id_, Command::access); !admitted) {
      note(Command::name, admitted.error().what);
      audit(command, admitted.error().what);
      return admitted.error();
    }
    auto reply = command.apply(Caller{id_, target_, arbiter_, follower_});
    note(Command::name, reply ? "ok" : reply.error().what);
    if (!reply || changed(*reply)) {
      audit(command, reply ? "ok" : std::string_view(reply.error().what));
    }
    return reply;
  }

  /// For what needs no admission: arch(), capabilities(), vcpu_count(), running(), stop().
  const Target& target() const { return target_; }
  Trace& trace() { return trace_; }
  /// Null where no core files can be written, and for who may only look.
  Dumps* dumps() { return arbiter_.admit(id_, Access::act) ? dumps_ : nullptr; }

private:
  void note(std::string_view command, std::string_view outcome);
  template <class Reply>
  static bool changed(const Reply&) {
    return true;
  }
  static bool changed(Moved moved) { return moved == Moved::began; }
  /// Of commands that change something, and those that say of themselves that they do. One that has
  /// a `subject` says what it is about.
  template <class Command>
  void audit(const Command& command, std::string_view outcome) {
    if constexpr (Command::access != Access::observe || requires { command.subject(); }) {
      if (!arbiter_.audited()) return;
      std::string what(Command::name);
      if constexpr (requires { command.subject(); }) what += ' ' + command.subject();
      arbiter_.audit(id_, what, outcome);
    }
  }
  Target& target_;
  Arbiter& arbiter_;
  Trace& trace_;
  Dumps* dumps_;
  FrontEnd* front_end_ = nullptr;
  ClientId id_{};
  bool follower_ = false;
};

} // namespace kdbg
