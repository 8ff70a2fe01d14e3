// A session's run control: moves of its own, and following the moves of others.
#include "protocols/dap/data/memory.hpp"
#include "protocols/dap/data/values.hpp"
#include "protocols/dap/session/session.hpp"
#include "protocols/dap/session/stop_text.hpp"

#include <lldb/API/SBEvent.h>

#include <array>
#include <chrono>

namespace kdbg::dap {

// --- moves of this client's

Status Session::drive(const std::function<Status()>& move, std::function<bool()> then) {
  TRY(stopped());
  if (!driving_ && !std::exchange(at_rest_, false)) TRY(take_drive());
  const bool stale = stale_;
  forget_handles();
  latest_stop_ = nullptr;
  driving_ = lldb_moves_ = running_ = moved_ = true;
  Status moved = move();
  if (moved) {
    then_ = std::move(then);
    return Done{};
  }
  driving_ = lldb_moves_ = running_ = false;
  release_others();
  if (stale) forget_memory();
  rest();
  return moved;
}

void Session::hold_others(const lldb::SBThread& thread) {
  for (std::uint32_t i = 0; i < process.GetNumThreads(); ++i) {
    lldb::SBThread other = process.GetThreadAtIndex(i);
    if (other.GetThreadID() != thread.GetThreadID()) other.Suspend();
  }
}

void Session::release_others() {
  for (std::uint32_t i = 0; i < process.GetNumThreads(); ++i) {
    lldb::SBThread thread = process.GetThreadAtIndex(i);
    if (thread.IsSuspended()) thread.Resume();
  }
}

Status Session::take_drive() {
  auto taken = control->ask("drive");
  if (taken) return Done{};
  Error error = taken.error();
  if (error.what.find("run control") != error.what.npos) {
    error.what += "; the request kvmdbg/takeControl takes it";
  }
  return error;
}

/// The server's answer says whether another drive has to be asked for.
void Session::rest() {
  at_rest_ = false;
  control->post("rest");
}

Status Session::pause() {
  if (phase == Phase::over) return Error{Code::closed, "the guest is gone"};
  if (!running_) return Done{};
  TRY(control->ask("interrupt"));
  pausing_ = moved_ = true;
  return Done{};
}

// --- what LLDB tells

void Session::on_process_event(const lldb::SBEvent& event) {
  if (!lldb::SBProcess::EventIsProcessEvent(event)) return;
  if ((event.GetType() & lldb::SBProcess::eBroadcastBitStateChanged) == 0) return;
  if (lldb::SBProcess::GetRestartedFromEvent(event)) return;
  switch (lldb::SBProcess::GetStateFromEvent(event)) {
  case lldb::eStateStopped:
    on_lldb_stopped();
    break;
  case lldb::eStateExited:
    on_lldb_exited();
    break;
  case lldb::eStateDetached:
    on_server_left("the server has ended LLDB's connection");
    break;
  default:
    break;
  }
}

/// The guest has ended, or the connection has been lost: of that LLDB has a description.
void Session::on_lldb_exited() {
  const char* const lost = process.GetExitDescription();
  if (!status_ && (!lost || !*lost)) status_ = process.GetExitStatus();
  on_server_left("the server has ended LLDB's connection");
}

void Session::on_lldb_stopped() {
  lldb_moves_ = false;
  if (!driving_) {
    // an answer to a run before the one under way, or before the latest that is over
    const bool late =
        latest_stop_.is_object() && latest_stop_.value("epoch", followed_) > followed_;
    if (running_ || late) follow();
    return;
  }
  if (points->let_pass(thread_to_look_at(process)) && process.Continue().Success()) {
    lldb_moves_ = true;
    return;
  }
  driving_ = false;
  running_ = false;
  release_others();
  const auto then = std::exchange(then_, {});
  if (then && then()) return;
  const bool stepped = thread_to_look_at(process).GetStopReason() == lldb::eStopReasonPlanComplete;
  if (!stepped) rest(); // with it the stop comes into the time line, where its reasons are
  tell_own_stop();
  if (stepped) rest();
}

// --- what the server tells

void Session::on_news(const Json& event) {
  const std::string name = event.value("event", "");
  if (name == "stopped") on_stopped(event);
  if (name == "resumed") on_resumed(event);
  if (name == "control-taken") on_control_taken(event);
  if (name == "rest") at_rest_ = event.value("again", false);
  if (name == "log") points->on_log(event);
  if (name == "memory-changed") on_memory_changed(*this, event);
  if (name == "ended") status_ = event.value("status", 0) & 0xff;
  if (name == "console") client.print("stdout", event.value("text", ""));
}

void Session::on_resumed(const Json& event) {
  at_rest_ = false;
  if (driving_ || running_) return;
  running_ = true;
  forget_handles();
  follow();
  if (phase != Phase::debugging) return;
  client.tell("continued", {{"threadId", 1}, {"allThreadsContinued", true}});
  client.print("console",
               fmt::format("{} has resumed the guest\n", event.value("byName", "somebody")));
}

void Session::on_control_taken(const Json& event) {
  at_rest_ = false;
  if (phase != Phase::debugging) return;
  client.print("console",
               fmt::format("{} has taken run control\n", event.value("byName", "somebody")));
}

void Session::on_stopped(const Json& event) {
  latest_stop_ = event;
  if (driving_ || !running_) return; // LLDB tells when it is through with it
  running_ = false;
  if (const Status connected = connect_lldb(); !connected) {
    client.print("important", connected.error().what + "\n");
  }
  const auto then = std::exchange(then_, {});
  if (phase != Phase::debugging || (then && then())) return;
  tell_others_stop(event);
}

/// LLDB joins the run under way; of a guest that stands it learns how it stands.
void Session::follow() {
  if (!process.IsValid() || lldb_moves_) return;
  at_rest_ = false;
  if (auto followed = control->ask("follow")) followed_ = followed->value("epoch", followed_);
  lldb_moves_ = process.Continue().Success();
}

void Session::on_server_left(const std::string& why) {
  if (phase == Phase::over || phase == Phase::fresh) return;
  const auto code = status_ || !guest_ ? status_ : guest_->ended();
  client.print("important",
               code ? fmt::format("the guest has ended with status {}\n", *code) : why + "\n");
  if (code) client.tell("exited", {{"exitCode", *code}});
  client.tell("terminated");
  phase = Phase::over;
}

// --- looking

Status Session::stopped() {
  if (phase == Phase::fresh || phase == Phase::initialized) {
    return Error{Code::closed, "no guest: launch or attach comes first"};
  }
  if (phase == Phase::over) return Error{Code::closed, "the guest is gone"};
  if (running_) return Error{Code::running, "the guest runs: pause it first"};
  return settle();
}

/// The client may have heard of a stop before LLDB has.
Status Session::settle() {
  using std::chrono::steady_clock;
  constexpr std::chrono::seconds patience{5};
  const auto deadline = steady_clock::now() + patience;
  lldb::SBEvent event;
  while (lldb_moves_) {
    if (listener.WaitForEvent(1, event)) on_process_event(event);
    if (steady_clock::now() > deadline) {
      return Error{Code::closed, "lldb has not heard of the guest's stop for 5 s"};
    }
  }
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

Result<std::string> Session::why_stopped(std::int32_t id) {
  const Json stop = TRY(ask_latest_stop());
  if (stop.is_null()) return std::string{};
  for (const Json& vcpu : stop["vcpus"]) {
    if (vcpu.value("vcpu", 0) + 1 == id) return reasons_of(vcpu);
  }
  return std::string{};
}

Result<lldb::SBValue> Session::variable(std::int32_t group, const std::string& name) {
  TRY(stopped());
  const VariableGroup* const found = TRY(groups.find(group, "variablesReference"));
  return find_in_group(*this, *found, name);
}

lldb::SBFrame Session::selected_frame() {
  return process.GetSelectedThread().GetSelectedFrame();
}

void Session::forget_handles() {
  frames.clear();
  groups.clear();
  places.clear();
  callees.clear();
  set_memory_cache(true);
}

/// LLDB reads all memory anew when the guest stops, and no sooner.
void Session::forget_memory() {
  set_memory_cache(false);
}

void Session::set_memory_cache(bool on) {
  if (stale_ == !on) return;
  stale_ = !on;
  debugger.SetSelectedTarget(target); // a setting of the selected one's
  lldb::SBDebugger::SetInternalVariable("target.process.disable-memory-cache",
                                        on ? "false" : "true", debugger.GetInstanceName());
}

// --- telling the client

/// Of the server's time line; null when the guest has not stopped yet.
Result<Json> Session::ask_latest_stop() {
  Json stops = TRY(control->ask("stops", {{"count", 1}}))["stops"];
  return stops.empty() ? Json() : std::move(stops.back());
}

Status Session::tell_present_stop() {
  TRY(settle());
  const Json stop = TRY(ask_latest_stop());
  if (stop.is_null()) {
    tell_own_stop();
  } else {
    tell_others_stop(stop);
  }
  return Done{};
}

void Session::tell_own_stop() {
  lldb::SBThread thread = thread_to_look_at(process);
  const bool stepped = thread.GetStopReason() == lldb::eStopReasonPlanComplete;
  if (latest_stop_.is_null() && !stepped) { // LLDB has heard of it first
    if (auto stop = ask_latest_stop()) latest_stop_ = *std::move(stop);
  }
  follow_kernel(latest_stop_);
  process.SetSelectedThread(thread);
  Json body = stopped_body(thread, std::exchange(pausing_, false), latest_stop_);
  const std::uint64_t address = body["reason"] == "data breakpoint"
                                    ? hit_address(latest_stop_)
                                    : thread.GetFrameAtIndex(0).GetPC();
  client.tell("stopped", with_hits(std::move(body), address));
  tell_memory_changed(*this);
}

void Session::tell_others_stop(const Json& event) {
  follow_kernel(event);
  Json body = stopped_body(event, std::exchange(pausing_, false));
  client.tell("stopped", with_hits(std::move(body), hit_address(event)));
  tell_memory_changed(*this);
}

/// Which of the client's points a stop is a hit of.
Json Session::with_hits(Json body, std::uint64_t address) const {
  const std::string reason = body["reason"];
  if (reason == "step" || reason == "entry") return body;
  const Points::Hit hit = points->at(address);
  if (hit.ids.empty()) return body;
  static constexpr std::array<std::string_view, 4> words = {
      "breakpoint", "function breakpoint", "instruction breakpoint", "data breakpoint"};
  body["reason"] = words[static_cast<std::size_t>(hit.kind)];
  body["hitBreakpointIds"] = hit.ids;
  return body;
}

} // namespace kdbg::dap
