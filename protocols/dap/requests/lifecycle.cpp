/// Coming and going: initialize, launch, attach, configurationDone, disconnect.
#include "protocols/dap/requests/request_table.hpp"

namespace kdbg::dap {
namespace {

struct Initialize {
  static constexpr std::string_view command = "initialize";
  struct Args {
    std::string name, path_format = "path";
    bool lines_start_at_1 = true, columns_start_at_1 = true;
    bool type = false, paging = false, references = false, progress = false, invalidated = false,
         memory = false;
    static constexpr auto fields() {
      return std::tuple{optional("clientName", &Args::name),
                        optional("pathFormat", &Args::path_format),
                        optional("linesStartAt1", &Args::lines_start_at_1),
                        optional("columnsStartAt1", &Args::columns_start_at_1),
                        optional("supportsVariableType", &Args::type),
                        optional("supportsVariablePaging", &Args::paging),
                        optional("supportsMemoryReferences", &Args::references),
                        optional("supportsProgressReporting", &Args::progress),
                        optional("supportsInvalidatedEvent", &Args::invalidated),
                        optional("supportsMemoryEvent", &Args::memory)};
    }
  };
  using Body = Json;
  static Result<Body> run(Session& session, const Args& args) {
    if (session.phase != Phase::fresh) {
      return Error{Code::bad_request, "initialize comes once in a session"};
    }
    if (args.path_format != "path") {
      return Error{Code::unsupported,
                   fmt::format("pathFormat must be path, not {}", args.path_format)};
    }
    session.client.traits = {args.name,     args.lines_start_at_1, args.columns_start_at_1,
                             args.type,     args.paging,           args.references,
                             args.progress, args.invalidated,      args.memory};
    session.phase = Phase::initialized;
    return capabilities();
  }
};

template <bool launch>
struct Begin {
  static constexpr std::string_view command = launch ? "launch" : "attach";
  using Args = StartArguments;
  using Body = Nothing;
  static Result<Body> run(Session& session, const Args& args) {
    if (session.phase != Phase::initialized) {
      return Error{Code::bad_request, fmt::format("{}: there is a guest already", command)};
    }
    TRY(session.begin(args, launch));
    return Nothing{};
  }
  static void after_reply(Session& session) {
    if (Json lost = lost_capabilities(session); !lost.empty()) {
      session.client.tell("capabilities", {{"capabilities", std::move(lost)}});
    }
    session.client.tell("initialized");
  }
};

struct ConfigurationDone {
  static constexpr std::string_view command = "configurationDone";
  using Args = Nothing;
  using Body = Nothing;
  static void declare(Json& capabilities) {
    capabilities["supportsConfigurationDoneRequest"] = true;
  }
  static Result<Body> run(Session& session, const Args&) {
    if (session.phase == Phase::configuring) return Nothing{};
    return Error{Code::bad_request, "configurationDone comes once, after launch or attach"};
  }
  static void after_reply(Session& session) {
    if (const Status done = session.configured(); !done) {
      session.client.print("important", done.error().what + "\n");
    }
  }
};

struct Disconnect {
  static constexpr std::string_view command = "disconnect";
  struct Args {
    std::optional<bool> terminate, suspend;
    static constexpr auto fields() {
      return std::tuple{optional("terminateDebuggee", &Args::terminate),
                        optional("suspendDebuggee", &Args::suspend)};
    }
  };
  using Body = Nothing;
  static void declare(Json& capabilities) {
    capabilities["supportTerminateDebuggee"] = true;
    capabilities["supportSuspendDebuggee"] = true;
  }
  static Result<Body> run(Session& session, const Args& args) {
    Leaving how = args.suspend.value_or(false) ? Leaving::suspended : Leaving::going_on;
    if (args.terminate.value_or(session.launched)) how = Leaving::terminated;
    session.leave(how);
    return Nothing{};
  }
  static void after_reply(Session& session) { session.client.tell("terminated"); }
};

struct Terminate {
  static constexpr std::string_view command = "terminate";
  using Args = Nothing;
  using Body = Nothing;
  static constexpr bool acts = true;
  static void declare(Json& capabilities) { capabilities["supportsTerminateRequest"] = true; }
  static Result<Body> run(Session& session, const Args&) {
    TRY(session.terminate());
    return Nothing{};
  }
};

/// Its `arguments`, those of a new launch, are not looked at: it is the same machine.
struct Restart {
  static constexpr std::string_view command = "restart";
  using Args = Nothing;
  using Body = Nothing;
  static constexpr bool acts = true;
  static void declare(Json& capabilities) { capabilities["supportsRestartRequest"] = true; }
  static Result<Body> run(Session& session, const Args&) {
    TRY(session.restart());
    return Nothing{};
  }
};

/// Requests wait only for those before them; one that is under way is soon done.
struct Cancel {
  static constexpr std::string_view command = "cancel";
  struct Args {
    std::optional<std::int64_t> request;
    std::optional<std::string> progress;
    static constexpr auto fields() {
      return std::tuple{optional("requestId", &Args::request),
                        optional("progressId", &Args::progress)};
    }
  };
  using Body = Nothing;
  static void declare(Json& capabilities) { capabilities["supportsCancelRequest"] = true; }
  static Result<Body> run(Session& session, const Args& args) {
    const auto withdrawn = args.request ? session.inbox.withdraw(*args.request) : std::nullopt;
    if (withdrawn) {
      session.client.refuse(withdrawn->seq, withdrawn->command, {Code::bad_request, "cancelled"});
    }
    return Nothing{};
  }
};

} // namespace

std::span<const RequestRow> lifecycle_requests() {
  static constexpr RequestRow rows[] = {
      row<Initialize>(Phase::fresh),
      row<Begin<true>>(Phase::initialized),
      row<Begin<false>>(Phase::initialized),
      row<ConfigurationDone>(),
      row<Disconnect>(Phase::fresh),
      row<Terminate>(),
      row<Restart>(),
      row<Cancel>(Phase::fresh),
  };
  return rows;
}

} // namespace kdbg::dap
