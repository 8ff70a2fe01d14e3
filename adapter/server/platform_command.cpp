#include "adapter/server/platform_command.hpp"

#include "adapter/server/live_machines.hpp"
#include "adapter/server/machine_record.hpp"
#include "adapter/server/platform_server.hpp"
#include "protocols/platform/platform.hpp"
#include "protocols/state/protocol.hpp"

#include <boost/asio/ip/host_name.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <fmt/format.h>
#include <unistd.h>

namespace kdbg::server {

Result<std::string> list_machines(const ListOptions& options) {
  boost::asio::io_context io{1};
  LiveMachines machines(io, TRY(RunFolder::open()), state::question);
  std::string text;
  const auto question = machines.list([&](const std::vector<MachineInfo>& found) {
    text = options.json ? render_json(found) : render_table(found);
  });
  io.run();
  return text;
}

Result<int> serve_platform(const PlatformOptions& options,
                           std::string_view cpu,
                           bool watch_before,
                           const Log& log) {
  boost::asio::io_context io{1};
  boost::asio::signal_set signals(io, SIGINT, SIGTERM);
  LiveMachines machines(io, TRY(RunFolder::open()), state::question);
  boost::system::error_code no_name;
  platform::Host host{.pid = static_cast<std::uint64_t>(::getpid()),
                      .triple = fmt::format("{}-unknown-unknown", cpu),
                      .name = boost::asio::ip::host_name(no_name),
                      .watch_before = watch_before,
                      .where = {},
                      .log = log};
  Settings settings;
  settings.allow_remote = options.allow_remote;
  settings.any_user = options.any_user;
  PlatformServer server(
      io,
      [&](Sink sink, const std::string& where) {
        host.where = where;
        return platform::open(machines, host, std::move(sink));
      },
      log, settings);
  for (const std::string& address : options.listen) {
    const std::string where = TRY(server.listen(address));
    log("platform, listening on " + where);
    const bool local = where.starts_with("unix:");
    log(fmt::format("  lldb -o 'platform select remote-gdb-server' -o 'platform connect {}{}'",
                    local ? "unix-connect://" : "connect://", local ? where.substr(5) : where));
    log(fmt::format("  gdb -ex 'target extended-remote {}' -ex 'info os processes'",
                    local ? where.substr(5) : where));
  }
  int status = exit_done;
  signals.async_wait([&](boost::system::error_code, int signal) {
    status = 128 + signal;
    io.stop();
  });
  io.run();
  return status;
}

} // namespace kdbg::server
