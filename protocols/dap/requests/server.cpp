/// kvmdbg/*: the server's own requests (docs/jkvm.md), for what the protocol has no word for.
#include "protocols/dap/data/memory.hpp"
#include "protocols/dap/requests/request_table.hpp"

#include <algorithm>
#include <array>

namespace kdbg::dap {
namespace {

constexpr std::string_view prefix = "kvmdbg/";

/// `jKvm.NAME` with the client's arguments, which the server checks; its answer is the body.
Result<Json> pass_on(Session& session, const Request& request) {
  return session.control->ask(std::string_view(request.command).substr(prefix.size()),
                              request.arguments);
}

/// A number as docs/jkvm.md has them; 0 where the server will say what is wrong.
std::uint64_t number(const Json& arguments, const char* name) {
  const auto found = arguments.find(name);
  if (found == arguments.end()) return 0;
  if (found->is_number_unsigned()) return found->get<std::uint64_t>();
  return found->is_string() ? parse_number(found->get_ref<const std::string&>()).value_or(0) : 0;
}

bool is_text(const Json& arguments, const char* name, std::string_view text) {
  const auto found = arguments.find(name);
  return found != arguments.end() && found->is_string() &&
         found->get_ref<const std::string&>() == text;
}

/// What the other requests have set is theirs: these points are beside them.
Result<Json> change_point(Session& session, const Request& request) {
  const Json& arguments = request.arguments;
  const bool current = !arguments.contains("space") || is_text(arguments, "space", "current");
  const auto kind = arguments.find("kind");
  if (current && kind != arguments.end() && kind->is_string()) {
    const std::uint64_t address = number(arguments, "address");
    const std::int32_t id = session.points->id_of(kind->get_ref<const std::string&>(), address);
    if (id != 0) {
      return Error{Code::bad_request, fmt::format("breakpoint {} is at {:#x}: change it by the "
                                                  "request that has set it",
                                                  id, address)};
    }
  }
  return pass_on(session, request);
}

Result<Json> write_physical(Session& session, const Request& request) {
  Json answer = TRY(pass_on(session, request));
  session.forget_memory();
  session.written = {{number(request.arguments, "address"), Space{Space::Kind::physical}},
                     answer.value("length", std::uint64_t{0})};
  return answer;
}

Result<Json> access_msr(Session& session, const Request& request) {
  Json answer = TRY(pass_on(session, request));
  session.registers_written = request.arguments.contains("value");
  return answer;
}

void tell_registers(Session& session) {
  if (!std::exchange(session.registers_written, false) || !session.client.traits.invalidated) {
    return;
  }
  session.client.tell("invalidated", {{"areas", {"variables"}}});
}

struct Refusal {
  std::string_view command, why;
};
/// What the adapter itself does with its connections, and what the protocol has a request for.
constexpr std::array refusals{
    Refusal{"kvmdbg/hello", "the adapter has said who you are: clientName of initialize"},
    Refusal{"kvmdbg/follower", "the adapter's own: LLDB's connection follows already"},
    Refusal{"kvmdbg/follow", "the adapter's own: LLDB joins runs by itself"},
    Refusal{"kvmdbg/drive", "continue, next, stepIn and stepOut move the guest"},
    Refusal{"kvmdbg/rest", "the adapter's own: it rests after each move"},
    Refusal{"kvmdbg/interrupt", "pause stops the guest"},
    Refusal{"kvmdbg/reset", "restart resets the machine"},
    Refusal{"kvmdbg/subscribe", "events come as the protocol has them"},
};

Result<Json> refuse(Session&, const Request& request) {
  for (const Refusal& one : refusals) {
    if (one.command != request.command) continue;
    return Error{Code::unsupported, fmt::format("{}: {}", one.command, one.why)};
  }
  return Error{Code::unsupported, fmt::format("{} is not for clients", request.command)};
}

constexpr RequestRow passed(
    std::string_view command,
    decltype(RequestRow::run) run = &pass_on,
    void (*after)(Session&) = [](Session&) {}) {
  return {command, Phase::configuring, run, after, [](Json&) {}, false};
}

constexpr std::array passed_on{
    passed("kvmdbg/capabilities"),
    passed("kvmdbg/points"),
    passed("kvmdbg/insert", &change_point),
    passed("kvmdbg/remove", &change_point),
    passed("kvmdbg/clients"),
    passed("kvmdbg/takeControl"),
    passed("kvmdbg/vcpus"),
    passed("kvmdbg/walk"),
    passed("kvmdbg/descriptorTables"),
    passed("kvmdbg/msr", &access_msr, &tell_registers),
    passed("kvmdbg/stops"),
    passed("kvmdbg/console"),
    passed("kvmdbg/physRead"),
    passed("kvmdbg/physWrite", &write_physical, &tell_written),
    passed("kvmdbg/exceptions"),
    passed("kvmdbg/trace"),
    passed("kvmdbg/powerOff"),
    passed("kvmdbg/help"),
};

} // namespace

std::span<const RequestRow> server_requests() {
  static constexpr auto rows = [] {
    std::array<RequestRow, passed_on.size() + refusals.size()> all{};
    const auto rest = std::copy(passed_on.begin(), passed_on.end(), all.begin());
    std::transform(refusals.begin(), refusals.end(), rest,
                   [](const Refusal& one) { return passed(one.command, &refuse); });
    return all;
  }();
  return rows;
}

} // namespace kdbg::dap
