#include "protocols/dap/session/session.hpp"

#include "protocols/dap/control/dial.hpp"
#include "protocols/dap/session/stop_text.hpp"

#include <lldb/API/SBEvent.h>
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
    : inbox(in), client(out), debugger(lldb), listener(lldb.GetListener()), inherited_(inherited) {}

Session::~Session() {
  if (lldb_socket_ >= 0) ::close(lldb_socket_);
}

Status Session::begin(const StartArguments& given, bool launch) {
  arguments = given;
  launched = launch;
  if (launch) guest_ = TRY(GuestProcess::start(run_arguments(arguments)));
  TRY(open_connections());
  TRY(create_target());
  TRY(connect_lldb());
  phase = Phase::configuring;
  return Done{};
}

Status Session::open_connections() {
  int socket = inherited_.control;
  lldb_socket_ = inherited_.lldb;
  if (guest_ || !arguments.server.empty()) {
    const std::string address = guest_ ? guest_->address() : arguments.server;
    socket = TRY(dial(address));
    lldb_socket_ = TRY(dial(address));
  }
  if (socket < 0) return Error{Code::bad_request, "server is missing: HOST:PORT or unix:PATH"};
  control = TRY(Control::open(socket, {[this](Json event) { inbox.put(News{std::move(event)}); },
                                       [this](std::string why) { inbox.put(ServerLeft{why}); }}));
  const Json events = {"stopped", "resumed", "memory-changed", "points-changed", "console"};
  TRY(control->ask("subscribe", {{"events", events}}));
  return Done{};
}

Status Session::create_target() {
  lldb::SBError error;
  target = debugger.CreateTarget("", nullptr, nullptr, false, error);
  if (!target.IsValid()) return Error{Code::closed, "lldb makes no target: " + text_of(error)};
  if (arguments.program.empty()) return Done{};
  lldb::SBModule module = target.AddModule(arguments.program.c_str(), nullptr, nullptr);
  if (module.IsValid()) {
    target.SetModuleLoadAddress(module, std::uint64_t{0});
  } else {
    client.print("important", fmt::format("no symbols from {}\n", arguments.program));
  }
  return Done{};
}

Status Session::connect_lldb() {
  lldb::SBError error;
  const std::string url = fmt::format("fd://{}", std::exchange(lldb_socket_, -1));
  process = target.ConnectRemote(listener, url.c_str(), "gdb-remote", error);
  if (error.Fail()) return Error{Code::closed, "lldb cannot connect: " + text_of(error)};
  return Done{};
}

Status Session::configured() {
  phase = Phase::debugging;
  if (launched && !arguments.stop_on_entry.value_or(false)) {
    stop_to_tell_ = false;
    return drive([&]() -> Status {
      const lldb::SBError error = process.Continue();
      if (error.Fail()) return Error{Code::bad_request, text_of(error)};
      return Done{};
    });
  }
  if (!running_ && stop_to_tell_) tell_stopped();
  return Done{};
}

void Session::leave(bool terminate, bool suspend) {
  phase = Phase::over;
  if (guest_ && !terminate) guest_->let_go();
  if (process.IsValid()) process.Detach(suspend);
  control.reset();
  guest_.reset();
}

void Session::on_process_event(const lldb::SBEvent& event) {
  if (!lldb::SBProcess::EventIsProcessEvent(event)) return;
  if ((event.GetType() & lldb::SBProcess::eBroadcastBitStateChanged) == 0) return;
  if (lldb::SBProcess::GetRestartedFromEvent(event)) return;
  switch (lldb::SBProcess::GetStateFromEvent(event)) {
  case lldb::eStateStopped:
    running_ = false;
    if (phase == Phase::debugging) tell_stopped();
    break;
  case lldb::eStateRunning:
    running_ = true;
    forget_handles();
    if (phase == Phase::debugging && !std::exchange(implied_, false)) {
      client.tell("continued", {{"threadId", 1}, {"allThreadsContinued", true}});
    }
    break;
  case lldb::eStateExited:
  case lldb::eStateDetached:
    on_server_left("the server has ended the session");
    break;
  default:
    break;
  }
}

void Session::on_news(const Json& event) {
  const std::string name = event.value("event", "");
  if (name == "console") client.print("stdout", event.value("text", ""));
}

void Session::on_server_left(const std::string& why) {
  if (phase == Phase::over || phase == Phase::fresh) return;
  if (phase != Phase::initialized) {
    client.print("important", why + "\n");
    const auto code = guest_ ? guest_->ended() : std::nullopt;
    if (code) client.tell("exited", {{"exitCode", *code}});
    client.tell("terminated");
  }
  phase = Phase::over;
}

Status Session::stopped() const {
  if (phase == Phase::fresh || phase == Phase::initialized) {
    return Error{Code::closed, "no guest: launch or attach comes first"};
  }
  if (phase == Phase::over) return Error{Code::closed, "the guest is gone"};
  if (running_) return Error{Code::running, "the guest runs: pause it first"};
  return Done{};
}

Result<lldb::SBThread> Session::thread(std::int32_t id) {
  TRY(stopped());
  lldb::SBThread found = process.GetThreadByID(static_cast<lldb::tid_t>(id));
  if (id > 0 && found.IsValid()) return found;
  return Error{Code::bad_request, fmt::format("threadId {} does not exist: there are {} threads",
                                              id, process.GetNumThreads())};
}

Result<lldb::SBFrame> Session::frame(std::int32_t id) {
  TRY(stopped());
  const FrameRef* const ref = TRY(frames.find(id, "frameId"));
  lldb::SBFrame found = process.GetThreadByID(ref->thread).GetFrameAtIndex(ref->index);
  if (found.IsValid()) return found;
  return Error{Code::bad_request, fmt::format("frameId {} is gone", id)};
}

lldb::SBFrame Session::selected_frame() {
  return process.GetSelectedThread().GetSelectedFrame();
}

Status Session::pause() {
  if (!running_) return Done{};
  pausing_ = true;
  process.SendAsyncInterrupt();
  return Done{};
}

Status Session::before_move() {
  forget_handles();
  implied_ = true;
  return Done{};
}

void Session::after_move(bool moved) {
  if (moved) {
    running_ = true;
  } else {
    implied_ = false;
  }
}

void Session::tell_stopped() {
  stop_to_tell_ = false;
  const lldb::SBThread thread = thread_to_look_at(process);
  process.SetSelectedThread(thread);
  client.tell("stopped", stopped_body(thread, std::exchange(pausing_, false)));
}

void Session::forget_handles() {
  frames.clear();
  groups.clear();
}

} // namespace kdbg::dap
