#pragma once
/// One client's debug session: what requests work on. Only the main thread has it, and only the
/// main thread calls LLDB.
#include "protocols/dap/control/control.hpp"
#include "protocols/dap/control/guest_process.hpp"
#include "protocols/dap/session/arguments.hpp"
#include "protocols/dap/session/client.hpp"
#include "protocols/dap/session/handles.hpp"
#include "protocols/dap/wire/inbox.hpp"

#include <lldb/API/SBDebugger.h>
#include <lldb/API/SBFrame.h>
#include <lldb/API/SBListener.h>
#include <lldb/API/SBProcess.h>
#include <lldb/API/SBTarget.h>
#include <lldb/API/SBThread.h>
#include <lldb/API/SBValue.h>

#include <set>

namespace kdbg::dap {

/// How far the client has come.
enum class Phase : std::uint8_t { fresh, initialized, configuring, debugging, over };

/// A frame by its place: SBFrame itself does not outlive a resume.
struct FrameRef {
  lldb::tid_t thread;
  std::uint32_t index;
};

/// What `variables` lists.
struct VariableGroup {
  std::vector<lldb::SBValue> values;
};

/// What the server gave to a worker that it started; empty otherwise.
struct Inherited {
  int lldb = -1, control = -1;
  bool observe = false;
};

class Session {
public:
  Session(Inbox& inbox, Client& client, lldb::SBDebugger debugger, Inherited inherited);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // --- coming and going
  Status begin(const StartArguments& arguments, bool launch);
  /// The client has set its first points.
  Status configured();
  void leave(bool terminate, bool suspend);

  // --- what happens (loop.cpp calls these)
  void on_process_event(const lldb::SBEvent& event);
  void on_news(const Json& event);
  void on_server_left(const std::string& why);

  // --- for requests
  /// running when the guest runs (a request that needs it stopped), closed when there is none.
  Status stopped() const;
  /// The thread that a client means; bad_request when there is none, running while the guest runs.
  Result<lldb::SBThread> thread(std::int32_t id);
  Result<lldb::SBFrame> frame(std::int32_t id);
  /// The frame to look at when the client names none.
  lldb::SBFrame selected_frame();
  /// Runs `move`, which makes LLDB resume the guest.
  template <class Move>
  Status drive(Move&& move) {
    TRY(stopped());
    TRY(before_move());
    Status moved = move();
    after_move(bool(moved));
    return moved;
  }
  Status pause();
  bool running() const { return running_; }

  Inbox& inbox;
  Client& client;
  lldb::SBDebugger debugger;
  lldb::SBListener listener;
  lldb::SBTarget target;
  lldb::SBProcess process;
  std::unique_ptr<Control> control;
  Phase phase = Phase::fresh;
  Handles<FrameRef> frames;
  Handles<VariableGroup> groups;
  StartArguments arguments;
  bool launched = false;

private:
  Status open_connections();
  Status connect_lldb();
  Status create_target();
  Status before_move();
  void after_move(bool moved);
  void tell_stopped();
  void forget_handles();

  Inherited inherited_;
  std::optional<GuestProcess> guest_;
  int lldb_socket_ = -1; ///< until LLDB has it
  bool running_ = false;
  bool implied_ = false; ///< the next `continued` follows from a request's response
  bool pausing_ = false; ///< this client asked for the next stop
  bool stop_to_tell_ =
      true; ///< a stop that the client has not been told of: it is still configuring
};

} // namespace kdbg::dap
