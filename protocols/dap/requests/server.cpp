/// kvmdbg/*: the server's own requests (docs/jkvm.md), for what the protocol has no word for.
#include "protocols/dap/requests/request_table.hpp"

#include <array>

namespace kdbg::dap {
namespace {

constexpr std::string_view prefix = "kvmdbg/";

/// `jKvm.NAME` with the client's arguments, which the server checks; its answer is the body.
Result<Json> pass_on(Session& session, const Request& request) {
  return session.control->ask(std::string_view(request.command).substr(prefix.size()),
                              request.arguments);
}

constexpr RequestRow passed(std::string_view command) {
  return {command, Phase::configuring, &pass_on, [](Session&) {}, [](Json&) {}};
}

} // namespace

/// Those that are not here are the adapter's: hello, follower, follow, drive, rest, subscribe,
/// interrupt, reset.
std::span<const RequestRow> server_requests() {
  static constexpr RequestRow rows[] = {
      passed("kvmdbg/capabilities"),
      passed("kvmdbg/points"),
      passed("kvmdbg/clients"),
      passed("kvmdbg/takeControl"),
      passed("kvmdbg/vcpus"),
      passed("kvmdbg/walk"),
      passed("kvmdbg/descriptorTables"),
      passed("kvmdbg/msr"),
      passed("kvmdbg/stops"),
      passed("kvmdbg/console"),
      passed("kvmdbg/physRead"),
      passed("kvmdbg/physWrite"),
      passed("kvmdbg/exceptions"),
      passed("kvmdbg/trace"),
      passed("kvmdbg/powerOff"),
      passed("kvmdbg/help"),
  };
  return rows;
}

} // namespace kdbg::dap
