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
};

class Session {
public:
  /// `dumps` is null where no core files can be written.
  Session(Target& target, Arbiter& arbiter, Trace& trace, Dumps* dumps = nullptr)
      : target_(target), arbiter_(arbiter), trace_(trace), dumps_(dumps) {}

  /// Call once, when the front end exists. The words are what other clients are shown.
  void join(FrontEnd& front_end, std::string protocol = {}, std::string peer = {}) {
    id_ = arbiter_.join(front_end, std::move(protocol), std::move(peer));
  }
  void rename(std::string protocol) { arbiter_.rename(id_, std::move(protocol)); }
  void leave() { arbiter_.leave(id_); }
  ClientId id() const { return id_; }

  /// Command: a struct with Reply, access, name and `Result<Reply> apply(Caller) const`.
  template <class Command>
  Result<typename Command::Reply> execute(const Command& command) {
    if (auto admitted = arbiter_.admit(id_, Command::access); !admitted) {
      note(Command::name, admitted.error().what);
      return admitted.error();
    }
    auto reply = command.apply(Caller{id_, target_, arbiter_});
    note(Command::name, reply ? "ok" : reply.error().what);
    return reply;
  }

  /// For what needs no admission: arch(), capabilities(), vcpu_count(), running(), stop().
  const Target& target() const { return target_; }
  Trace& trace() { return trace_; }
  Dumps* dumps() { return dumps_; }

private:
  void note(std::string_view command, std::string_view outcome);
  Target& target_;
  Arbiter& arbiter_;
  Trace& trace_;
  Dumps* dumps_;
  ClientId id_{};
};

} // namespace kdbg
