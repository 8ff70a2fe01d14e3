// Which machines there are: lldb's platform queries, and gdb's `info os`.
#include "protocols/gdb/osdata.hpp"
#include "protocols/gdb/text.hpp"
#include "protocols/gdb/xfer.hpp"
#include "protocols/platform/desk.hpp"
#include "protocols/platform/rows.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::platform {
namespace {

using gdb::Answer;
using gdb::say;

Answer host_info(Desk& desk, std::string_view) {
  constexpr unsigned seconds = 30; ///< a machine that swaps, or the host that does
  return say(fmt::format("triple:{};ptrsize:8;endian:little;vm-page-size:4096;hostname:{};"
                         "watchpoint_exceptions_received:{};default_packet_timeout:{};",
                         gdb::hex_of(desk.host.triple), gdb::hex_of(desk.host.name),
                         desk.host.watch_before ? "before" : "after", seconds));
}

/// A client wants one; nothing is served from there.
Answer working_folder(Desk&, std::string_view) {
  return say(gdb::hex_of("/"));
}

/// lldb attaches by itself to each that is listed here. Which one is for the user to say.
Answer query_servers(Desk&, std::string_view) {
  return say("[]");
}

constexpr std::string_view end_of_list = "E04"; // as lldb-server ends it

Answer next_process(Desk& desk, std::string_view) {
  if (desk.next_row < desk.rows.size()) return say(render_row(desk.rows[desk.next_row++]));
  return say(std::string(end_of_list));
}

Answer list(Desk& desk, const Filter& filter) {
  return desk.ask([&desk, filter](std::vector<MachineInfo> found) {
    std::erase_if(found, [&](const MachineInfo& machine) { return !filter(machine); });
    desk.rows = std::move(found);
    desk.next_row = 0;
    return next_process(desk, {});
  });
}

Answer first_process(Desk& desk, std::string_view) {
  return list(desk, [](const MachineInfo&) { return true; });
}

Answer first_matching(Desk& desk, std::string_view arguments) {
  return list(desk, TRY(parse_filter(arguments)));
}

Answer process_info(Desk& desk, std::string_view arguments) {
  const std::uint64_t pid = TRY(parse_decimal(arguments, "process id"));
  TRY(desk.machines.find(pid));
  return desk.ask([pid](const std::vector<MachineInfo>& found) -> Answer {
    for (const MachineInfo& machine : found) {
      if (machine.record.pid == pid) return say(render_row(machine));
    }
    return Error{Code::no_such_vcpu, fmt::format("machine {} has ended meanwhile", pid)};
  });
}

Answer user_name(Desk& desk, std::string_view arguments) {
  const auto name = desk.machines.user_name(TRY(parse_decimal(arguments, "user id")));
  if (name) return say(gdb::hex_of(*name));
  return Error{Code::bad_request, fmt::format("user {} has no name", arguments)};
}

Answer group_name(Desk& desk, std::string_view arguments) {
  const auto name = desk.machines.group_name(TRY(parse_decimal(arguments, "group id")));
  if (name) return say(gdb::hex_of(*name));
  return Error{Code::bad_request, fmt::format("group {} has no name", arguments)};
}

Answer end_process(Desk& desk, std::string_view arguments) {
  const std::uint64_t pid = TRY(parse_decimal(arguments, "process id"));
  TRY(desk.machines.end(pid));
  desk.host.log(fmt::format("asked machine {} to end", pid));
  return gdb::say_ok();
}

// info os

std::string render_processes(const std::vector<MachineInfo>& machines) {
  gdb::Lines lines;
  for (const MachineInfo& machine : machines) {
    const MachineRecord& record = machine.record;
    lines.push_back({{"pid", fmt::format("{}", record.pid)},
                     {"name", record.name},
                     {"state", machine.state},
                     {"image", record.image},
                     {"listens on", fmt::format("{}", fmt::join(record.listen, " "))}});
  }
  return gdb::render_osdata("processes", lines);
}

// the tables' names are in the rows: what is left is :OFFSET,LENGTH

/// One document is read in pieces: it is asked for at its beginning.
Answer read_processes(Desk& desk, std::string_view arguments) {
  const gdb::Request request = TRY(gdb::parse_request(arguments));
  if (request.offset != 0) return gdb::slice(desk.document, request);
  return desk.ask([&desk, request](const std::vector<MachineInfo>& found) {
    desk.document = render_processes(found);
    return gdb::slice(desk.document, request);
  });
}

Answer read_types(Desk&, std::string_view arguments) {
  const gdb::Request request = TRY(gdb::parse_request(arguments));
  if (!request.annex.empty()) return gdb::no_such_annex();
  return gdb::slice(gdb::render_osdata("types", {{{"Type", "processes"},
                                                  {"Description", "the machines of this user"},
                                                  {"Title", "Processes"}}}),
                    request);
}

constexpr auto exact = Row::Match::exact, prefix = Row::Match::prefix;
constexpr Row rows[] = {
    {"qHostInfo", exact, &host_info},
    {"qGetWorkingDir", exact, &working_folder},
    {"qQueryGDBServer", exact, &query_servers},
    {"qfProcessInfo", exact, &first_process},
    {"qfProcessInfo:", prefix, &first_matching},
    {"qsProcessInfo", exact, &next_process},
    {"qProcessInfoPID:", prefix, &process_info},
    {"qUserName:", prefix, &user_name},
    {"qGroupName:", prefix, &group_name},
    {"qKillSpawnedProcess:", prefix, &end_process},
    {"qXfer:osdata:read:", prefix, &read_types},
    {"qXfer:osdata:read:processes", prefix, &read_processes, Row::Role::always},
};

} // namespace

Table list_packets() {
  return rows;
}

} // namespace kdbg::platform
