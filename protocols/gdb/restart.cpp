#include "protocols/gdb/restart.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/conversation.hpp"

namespace kdbg::gdb {
namespace {

Answer extend(Conversation& c, std::string_view) {
  c.extended = true;
  return say_ok();
}

Status reset(Conversation& c) {
  if (c.gone) {
    return Error{Code::closed, "the guest has ended for good, and the server with it: start kvmdbg "
                               "again (a guest that asks to power off can be run anew before it is "
                               "continued)"};
  }
  TRY(c.session.execute(ResetMachine{}));
  c.untold.clear();
  c.caught_up();
  return Done{};
}

/// Answered by the `?` that follows.
Answer restart(Conversation& c, std::string_view) {
  if (auto done = reset(c); !done) c.session.trace().note("restart: " + done.error().what);
  return say_nothing();
}

/// FILE;ARGUMENT...: there is one program, the guest, and it takes its arguments from the server's
/// command line.
Answer run(Conversation& c, std::string_view arguments) {
  if (arguments.find_first_not_of(';') != std::string_view::npos) {
    return Error{Code::unsupported,
                 "run takes no program and no arguments: the guest's image and command line are "
                 "the server's (set remote exec-file, without a name; set args, without any)"};
  }
  TRY(reset(c));
  return say(c.tell(c.target().stop()));
}

constexpr Row rows[] = {
    {"!", Row::Match::exact, &extend},
    {"R", Row::Match::prefix, &restart},
    {"vRun;", Row::Match::prefix, &run},
};

} // namespace

Table restart_packets() {
  return rows;
}

} // namespace kdbg::gdb
