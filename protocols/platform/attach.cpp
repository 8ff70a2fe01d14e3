// What a debugger says before it has a machine, and how it gets one.
#include "protocols/gdb/queries.hpp"
#include "protocols/gdb/text.hpp"
#include "protocols/gdb/xfer.hpp"
#include "protocols/platform/desk.hpp"

#include <fmt/format.h>

namespace kdbg::platform {
namespace {

using gdb::Answer;
using gdb::say;

Answer yes(Desk&, std::string_view) {
  return gdb::say_ok();
}

Answer supported(Desk& desk, std::string_view arguments) {
  desk.features = gdb::parse_features(arguments);
  desk.lldb = gdb::is_lldb(arguments);
  return say(gdb::render_supported(desk.features, desk.lldb));
}

Answer take_error_strings(Desk& desk, std::string_view) {
  desk.features.error_strings = true;
  return gdb::say_ok();
}

Answer stop_acks(Desk& desk, std::string_view) {
  desk.acks = false;
  return gdb::say_ok();
}

Answer no_machine(Desk&, std::string_view) {
  return Error{Code::closed, "no machine is attached: attach PID, as `info os processes` or "
                             "`platform process list` name them"};
}

/// Also the first chance to tell of a machine that has gone while nobody waited for it.
Answer cannot_move(Desk& desk, std::string_view) {
  const auto lost = std::exchange(desk.lost, std::nullopt);
  return lost ? say(desk.tell_lost(*lost)) : no_machine(desk, {});
}

/// gdb's words for "connected, and no program yet"; lldb would take them for an end.
Answer no_program(Desk& desk, std::string_view) {
  return desk.lldb ? no_machine(desk, {}) : say("W00");
}

Answer no_document(Desk&, std::string_view) {
  return gdb::no_such_annex();
}

Answer cannot_launch(Desk&, std::string_view) {
  return Error{Code::unsupported,
               "a platform starts no machines: kvmdbg run IMAGE does, then attach to it"};
}

Answer echo(Desk&, std::string_view text) {
  return say("qEcho:" + std::string(text));
}

/// The debugger's own connection comes to the same place; there it says which machine it wants.
Answer launch_server(Desk& desk, std::string_view) {
  const std::string& where = desk.host.where;
  constexpr std::string_view local = "unix:";
  if (where.starts_with(local)) {
    const auto path = gdb::hex_of(std::string_view(where).substr(local.size()));
    return say(fmt::format("pid:{};socket_name:{};", desk.host.pid, path));
  }
  return say(fmt::format("pid:{};port:{};", desk.host.pid, where.substr(where.rfind(':') + 1)));
}

Answer attach_to(Desk& desk, const MachineRecord& machine) {
  if (desk.attachment && desk.attachment->has_process()) {
    return Error{Code::bad_request,
                 fmt::format("this connection is attached to machine {}: detach first, or make "
                             "another connection",
                             desk.attachment->machine().pid)};
  }
  std::vector<std::string> agreed;
  for (const auto& [kind, packet] : desk.agreed) {
    agreed.push_back(packet);
  }
  desk.lost.reset();
  desk.attachment = TRY(Attachment::open(desk.machines, machine, agreed, desk.relayed));
  return gdb::say_nothing();
}

Answer attach(Desk& desk, std::string_view arguments) {
  gdb::Scanner scanner(arguments);
  const std::uint64_t pid = TRY(scanner.hex("process id"));
  TRY(scanner.finish());
  const MachineInfo machine = TRY(desk.machines.find(pid));
  return attach_to(desk, machine.record);
}

constexpr auto exact = Row::Match::exact, prefix = Row::Match::prefix;
constexpr auto agreed = Row::Role::agreed, always = Row::Role::always;
constexpr Row rows[] = {
    {"qSupported:", prefix, &supported, agreed},
    {"QStartNoAckMode", exact, &stop_acks, always},
    {"!", exact, &yes, agreed},
    {"QThreadSuffixSupported", exact, &yes, agreed},
    {"QListThreadsInStopReply", exact, &yes, agreed},
    {"QEnableErrorStrings", exact, &take_error_strings, agreed},
    {"QSetDetachOnError:", prefix, &yes, agreed},
    {"qSupportsDetachAndStayStopped:", exact, &yes},
    {"qEcho:", prefix, &echo},
    {"QPassSignals:", prefix, &yes, agreed},
    {"QProgramSignals:", prefix, &yes, agreed},
    {"QThreadEvents:", prefix, &yes, agreed},
    {"Hg", prefix, &yes},
    {"Hc", prefix, &yes},
    {"?", exact, &no_program},
    {"qC", exact, &no_machine},
    {"qProcessInfo", exact, &no_machine},
    {"qfThreadInfo", exact, &no_machine}, // lldb takes an empty list for one process, 1
    {"qXfer:", prefix, &no_document},
    {"vCont?", exact, [](Desk&, std::string_view) { return say("vCont;c;C;s;S;t;r"); }},
    {"qLaunchGDBServer", prefix, &launch_server},
    {"vAttach;", prefix, &attach, always},
    {"vRun;", prefix, &cannot_launch},
    {"A", prefix, &cannot_launch},
    {"qLaunchSuccess", exact, &cannot_launch},
    // of a machine alone
    {"g", exact, &no_machine},
    {"G", prefix, &no_machine},
    {"p", prefix, &no_machine},
    {"P", prefix, &no_machine},
    {"m", prefix, &no_machine},
    {"M", prefix, &no_machine},
    {"x", prefix, &no_machine},
    {"X", prefix, &no_machine},
    {"Z", prefix, &no_machine},
    {"z", prefix, &no_machine},
    {"c", prefix, &cannot_move},
    {"C", prefix, &cannot_move},
    {"s", prefix, &cannot_move},
    {"S", prefix, &cannot_move},
    {"vCont;", prefix, &cannot_move},
    {"vKill;", prefix, &no_machine},
    {"qRcmd,", prefix, &no_machine},
    {"D", prefix, &yes},
};

} // namespace

Table attach_packets() {
  return rows;
}

} // namespace kdbg::platform
