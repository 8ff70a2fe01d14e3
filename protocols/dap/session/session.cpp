#include "protocols/dap/session/session.hpp"

#include "protocols/dap/control/dial.hpp"
#include "protocols/dap/control/follower.hpp"
#include "protocols/dap/data/files.hpp"

#include <lldb/API/SBModule.h>

#include <unistd.h>

namespace kdbg::dap {
namespace {

std::string text_of(const lldb::SBError& error) {
  const char* const text = error.GetCString();
  return text ? text : "no reason given";
}

std::vector<std::string> run_arguments(const StartArguments& arguments) {
  std::vector<std::string> words{"--cpus", std::to_string(arguments.cpus)};
  const auto add = [&](const char* option, const std::string& value) {
    if (value.empty()) return;
    words.emplace_back(option);
    words.push_back(value);
  };
  add("--append", arguments.append);
  add("--initrd", arguments.initrd);
  add("--console", arguments.console.empty() ? "none" : arguments.console);
  if (arguments.memory.is_string()) add("--memory", arguments.memory.get<std::string>());
  if (arguments.memory.is_number_unsigned()) {
    add("--memory", fmt::format("{}M", arguments.memory.get<std::uint64_t>()));
  }
  words.push_back(arguments.image.empty() ? arguments.program : arguments.image);
  return words;
}

} // namespace

Session::Session(Inbox& in, Client& out, lldb::SBDebugger lldb, Inherited inherited)
    : inbox(in),
      client(out),
      debugger(lldb),
      listener(lldb.GetListener()),
      inherited_(std::move(inherited)) {}

Session::~Session() {
  if (lldb_socket_ >= 0) ::close(lldb_socket_);
}

Status Session::begin(const StartArguments& given, bool launch) {
  if (worker() && (launch || !given.server.empty())) {
    // neither a program started nor a connection made on the server's host
    return Error{Code::bad_request, launch
                                        ? "launch: this server has a guest already: attach to it"
                                        : "server must be absent: it is the one that you talk to"};
  }
  const bool with_token = !given.token.empty() || !given.token_file.empty();
  if (with_token && given.server.empty()) {
    return Error{Code::bad_request, "token and tokenFile are for the server that server names"};
  }
  if (launch && given.image.empty() && given.program.empty()) {
    return Error{Code::bad_request, "image is missing: the guest to start"};
  }
  if (!given.program.empty()) TRY(check_root(roots(), given.program));
  for (const SymbolFile& file : given.symbols) {
    TRY(check_root(roots(), file.path));
  }
  arguments = given;
  launched = launch;
  if (arguments.program.empty()) arguments.program = inherited_.program;
  if (launch) guest_ = TRY(GuestProcess::start(run_arguments(arguments)));
  TRY(open_connections());
  TRY(create_target());
  const Json state = TRY(control->ask("vcpus"));
  TRY(begin_from(state));
  begin_symbols();
  phase = Phase::configuring;
  return Done{};
}

/// A server goes by who its clients are, and by the token of those who bring one.
Result<int> Session::connect() {
  const std::string address = guest_ ? guest_->address() : arguments.server;
  const std::string token =
      arguments.token_file.empty() ? arguments.token : TRY(read_token(arguments.token_file));
  if (token.empty()) return dial(address);
  tunnels_.push_back(TRY(Tunnel::open(address, token)));
  return tunnels_.back()->take_socket();
}

Status Session::open_connections() {
  int socket = inherited_.control;
  lldb_socket_ = inherited_.lldb;
  if (guest_ || !arguments.server.empty()) {
    socket = TRY(connect());
    lldb_socket_ = TRY(connect());
  }
  if (socket < 0) return Error{Code::bad_request, "server is missing: HOST:PORT or unix:PATH"};
  control = TRY(
      Control::open(socket, {[this](Json event) { inbox.put(News{std::move(event)}); },
                             [this](std::string why) { inbox.put(ServerLeft{std::move(why)}); }}));
  Json hello = {
      {"name", client.traits.name.empty() ? "DAP client" : client.traits.name.substr(0, 80)}};
  if (!arguments.role.empty()) hello["role"] = arguments.role;
  if (inherited_.observe) hello["role"] = "observe";
  const Json told = TRY(control->ask("hello", hello));
  observes_ = told.value("role", "") == "observe";
  const Json guest = TRY(control->ask("capabilities"));
  arch_ = guest.value("arch", "");
  vcpus_ = guest.value("vcpus", 0U);
  TRY(make_follower(lldb_socket_, told.value("pairing", "")));
  const Json events = {"stopped", "resumed", "memory-changed", "control-taken",
                       "console", "log",     "ended"};
  TRY(control->ask("subscribe", {{"events", events}}));
  return Done{};
}

Status Session::create_target() {
  map_sources();
  lldb::SBError error;
  apart_ = debugger.CreateTarget("", nullptr, nullptr, false, error);
  target = debugger.CreateTarget("", nullptr, nullptr, false, error);
  if (!target.IsValid()) return Error{Code::closed, "lldb makes no target: " + text_of(error)};
  debugger.SetSelectedTarget(target);
  points = std::make_unique<Points>(client, *control, apart_, SourceMap(arguments.source_map));
  return Done{};
}

/// A guest that runs is not stopped to be looked at: LLDB comes in at its next stop.
Status Session::begin_from(const Json& state) {
  running_ = state.value("running", false);
  if (!running_) return connect_lldb();
  if (!arguments.stop_on_entry.value_or(false)) return Done{};
  TRY(control->ask("interrupt"));
  pausing_ = true;
  return Done{};
}

Status Session::connect_lldb() {
  if (process.IsValid()) return Done{};
  lldb::SBError error;
  const std::string url = fmt::format("fd://{}", std::exchange(lldb_socket_, -1));
  lldb_moves_ = true; // until it tells of its first stop
  process = target.ConnectRemote(listener, url.c_str(), "gdb-remote", error);
  if (error.Fail()) return Error{Code::closed, "lldb cannot connect: " + text_of(error)};
  return Done{};
}

Status Session::configured() {
  phase = Phase::debugging;
  for (std::uint32_t i = 0; i < vcpus_; ++i) {
    client.tell("thread", {{"reason", "started"}, {"threadId", i + 1}});
  }
  if (running_) return Done{};
  if (launched && !arguments.stop_on_entry.value_or(false)) {
    waits_for_symbols_ = symbols_ && symbols_->left() > 0;
    return waits_for_symbols_ ? Status(Done{}) : go_on();
  }
  return tell_present_stop();
}

void Session::leave(Leaving how) {
  phase = Phase::over;
  if (!control) return;
  if (how == Leaving::terminated) {
    if (!guest_) ignore(control->ask("powerOff"));
    return guest_.reset();
  }
  if (how == Leaving::vanished) return guest_.reset();
  if (guest_) guest_->let_go();
  if (how == Leaving::suspended && running_) ignore(control->ask("interrupt"));
  // a guest that this client has not moved stands for somebody else
  if (how == Leaving::going_on && !running_ && moved_) ignore(control->detach());
}

Status Session::terminate() {
  TRY(control->ask("powerOff"));
  return Done{};
}

Status Session::restart() {
  if (!running_) return start_anew();
  TRY(control->ask("interrupt"));
  then_ = [this] {
    const Status begun = start_anew();
    if (!begun) client.print("important", fmt::format("restart: {}\n", begun.error().what));
    return bool(begun);
  };
  return Done{};
}

Status Session::start_anew() {
  TRY(control->ask("reset"));
  kernel_placed_ = false;
  forget_handles();
  follow(); // LLDB asks again how the guest stands
  latest_stop_ = nullptr;
  if (!process.IsValid()) TRY(connect_lldb());
  TRY(settle());
  if (!arguments.stop_on_entry.value_or(false)) return go_on();
  return tell_present_stop();
}

Status Session::go_on() {
  return drive([this]() -> Status {
    const lldb::SBError error = process.Continue();
    if (error.Fail()) return Error{Code::bad_request, text_of(error)};
    return Done{};
  });
}

} // namespace kdbg::dap
