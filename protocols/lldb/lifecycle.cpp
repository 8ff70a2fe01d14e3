#include "protocols/lldb/lifecycle.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/resume.hpp"
#include "protocols/gdb/text.hpp"

#include <fmt/format.h>

namespace kdbg::lldb {
namespace {

using gdb::Answer, gdb::Conversation, gdb::Row, gdb::say_ok;

Answer yes(Conversation&, std::string_view) {
  return say_ok();
}

/// The machine is there already: attaching to it is asking why it stopped.
Answer attach(Conversation& c, std::string_view pid) {
  TRY(gdb::check_process(c, pid));
  return gdb::why_stopped(c);
}

Answer attach_by_name(Conversation& c, std::string_view name) {
  const Bytes asked = TRY(gdb::from_hex(name));
  if (gdb::text_of(asked) == c.settings.name) return gdb::why_stopped(c);
  return Error{Code::no_such_vcpu, fmt::format("no process \"{}\": this machine is \"{}\"",
                                               gdb::text_of(asked), c.settings.name)};
}

/// `detach --keep-stopped`: the guest stays as it is, for whoever comes next.
Answer detach_stopped(Conversation& c, std::string_view pid) {
  if (!pid.empty()) TRY(gdb::check_process(c, pid.substr(1)));
  TRY(gdb::detach(c, gdb::Leave::stopped));
  return say_ok();
}

Answer echo(Conversation&, std::string_view text) {
  return gdb::say("qEcho:" + std::string(text));
}

constexpr Row rows[] = {
    {"vAttach;", Row::Match::prefix, &attach},
    {"vAttachName;", Row::Match::prefix, &attach_by_name},
    {"vAttachWait;", Row::Match::prefix, &attach_by_name},
    {"vAttachOrWait;", Row::Match::prefix, &attach_by_name},
    {"qVAttachOrWaitSupported", Row::Match::exact, &yes},
    // whoever leaves detaches: what else it may do is `--kill`'s to say
    {"QSetDetachOnError:", Row::Match::prefix, &yes},
    {"qSupportsDetachAndStayStopped:", Row::Match::exact, &yes},
    {"D1", Row::Match::prefix, &detach_stopped},
    {"qEcho:", Row::Match::prefix, &echo},
};

} // namespace

gdb::Table lifecycle_packets() {
  return rows;
}

} // namespace kdbg::lldb
