#pragma once
/// One client's debug session: what requests work on. Only the main thread has it, and only the
/// main thread calls LLDB.
#include "protocols/dap/control/control.hpp"
#include "protocols/dap/control/guest_process.hpp"
#include "protocols/dap/control/tunnel.hpp"
#include "protocols/dap/data/register_table.hpp"
#include "protocols/dap/message/address.hpp"
#include "protocols/dap/session/arguments.hpp"
#include "protocols/dap/session/client.hpp"
#include "protocols/dap/session/handles.hpp"
#include "protocols/dap/session/point_text.hpp"
#include "protocols/dap/session/points.hpp"
#include "protocols/dap/session/symbols.hpp"
#include "protocols/dap/wire/inbox.hpp"

#include <lldb/API/SBDebugger.h>
#include <lldb/API/SBFrame.h>
#include <lldb/API/SBListener.h>
#include <lldb/API/SBProcess.h>
#include <lldb/API/SBTarget.h>
#include <lldb/API/SBThread.h>
#include <lldb/API/SBValue.h>

#include <array>

namespace kdbg::dap {

/// How far the client has come.
enum class Phase : std::uint8_t { fresh, initialized, configuring, debugging, over };

/// A frame by its place: SBFrame itself does not outlive a resume.
struct FrameRef {
  lldb::tid_t thread;
  std::uint32_t index;
};

/// What `variables` lists, made when it asks.
struct VariableGroup {
  enum class Kind : std::uint8_t {
    locals,
    globals,
    register_groups,
    registers, ///< of the group `name`
    fields,    ///< of the register `name`
    msrs,      ///< of the frame's processor
    children,  ///< of `value`
  };
  Kind kind;
  FrameRef frame{};
  std::string name{};
  lldb::SBValue value{};
};

/// Bytes [first, end) from a memory reference on.
struct ReadSpan {
  std::int64_t first, end;
};
/// A count of bytes: nobody knows which were written.
inline constexpr std::uint64_t anywhere = UINT64_MAX;
struct MemoryChange {
  Address at;
  std::uint64_t count;
};

/// What the server gave to a worker that it started; empty otherwise.
struct Inherited {
  int lldb = -1, control = -1;
  bool observe = false;
  std::string peer;
  std::vector<std::string> roots; ///< folders whose files the client may read; none: all
  std::string program{};          ///< of a client that names none
};

/// What becomes of the guest as a client leaves. One that vanished has asked for nothing: a guest
/// that stands may stand for somebody else. A guest of the session's own ends with it.
enum class Leaving : std::uint8_t { vanished, going_on, suspended, terminated };

class Session {
public:
  Session(Inbox& inbox, Client& client, lldb::SBDebugger debugger, Inherited inherited);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // --- coming and going (session.cpp)
  Status begin(const StartArguments& arguments, bool launch);
  /// More symbols, or a new place for those of a file that has been read.
  Status add_symbols(const SymbolFile& file);
  /// The client has set its first points.
  Status configured();
  /// How the guest is left: ended, standing, or, with neither, running if this client is who had
  /// moved it.
  void leave(Leaving how);
  /// Ends the guest; the client is told when it has ended.
  Status terminate();
  /// The machine starts anew; points stay.
  Status restart();

  // --- what happens (run.cpp)
  void on_process_event(const lldb::SBEvent& event);
  void on_news(const Json& event);
  void on_server_left(const std::string& why);

  // --- for requests that move the guest (run.cpp)
  /// Takes run control, then lets `move` make LLDB resume the guest. `then` is asked at the end of
  /// that move, ahead of the client: true when it has begun another one.
  Status drive(const std::function<Status()>& move, std::function<bool()> then = {});
  /// The next move is this thread's alone: the other vCPUs stand until it ends.
  void hold_others(const lldb::SBThread& thread);
  Status pause();
  bool running() const { return running_; }
  /// Folders whose files the client may read; none: it is its own user, and says where.
  const std::vector<std::string>& roots() const { return inherited_.roots; }
  /// It may not move or change the guest: the server's word.
  bool observes() const { return observes_; }
  /// Of the guest: "x86_64".
  const std::string& arch() const { return arch_; }
  /// Started by a server, for one client of its port.
  bool worker() const { return inherited_.control >= 0; }

  // --- for requests that look
  /// running when the guest runs (for a request that needs it stopped), closed when there is none.
  /// LLDB stands still, too, when this has succeeded.
  Status stopped();
  /// The thread that a client means; bad_request when there is none, running while the guest runs.
  Result<lldb::SBThread> thread(std::int32_t id);
  Result<lldb::SBFrame> frame(std::int32_t id);
  /// The server's words for why this thread's vCPU stopped; empty for one that was only held.
  Result<std::string> why_stopped(std::int32_t thread);
  /// A variable by the group that lists it.
  Result<lldb::SBValue> variable(std::int32_t group, const std::string& name);
  /// The frame to look at when the client names none.
  lldb::SBFrame selected_frame();
  /// Somebody has written memory behind LLDB's back.
  void forget_memory();
  /// What LLDB has read before is old, until the guest moves.
  bool memory_is_stale() const { return stale_; }

  Inbox& inbox;
  Client& client;
  lldb::SBDebugger debugger;
  lldb::SBListener listener;
  lldb::SBTarget target;
  lldb::SBProcess process; ///< invalid while LLDB has yet to connect: the guest has not stood still
  std::unique_ptr<Control> control;
  std::unique_ptr<Points> points; ///< once there is a guest
  Phase phase = Phase::fresh;
  Handles<FrameRef> frames;
  Handles<VariableGroup> groups;
  Handles<std::uint64_t> places; ///< where `goto` may go on
  Handles<std::string> callees;  ///< functions that `stepIn` may be told to step into
  std::int32_t went_to = 0;      ///< the thread that `goto` has moved, until the client is told
  /// What this client stops at: vector, and the error code where only that one counts.
  std::vector<std::pair<std::uint8_t, std::optional<std::uint64_t>>> exceptions;
  std::map<std::string, ReadSpan> memory_read;         ///< by the references that the client used
  std::optional<MemoryChange> written;                 ///< by the request under way
  bool registers_written = false;                      ///< likewise, behind LLDB's back
  std::optional<RegisterTable> registers;              ///< once somebody has asked
  std::array<lldb::SBTarget, 2> code_targets;          ///< for 16-bit and 32-bit code, likewise
  std::map<std::uint64_t, std::uint32_t> listed_lines; ///< by pc
  std::vector<std::uint64_t> listings; ///< starts of those that have a sourceReference
  StartArguments arguments;
  bool launched = false;

private:
  // session.cpp
  Result<int> connect();
  Status open_connections();
  Status create_target();
  void begin_symbols();
  void on_symbols(const LoadedSymbols& loaded);
  void add_symbols(const LoadedSymbols& loaded);
  void place_symbols(lldb::SBModule module, std::uint64_t slide);
  void read_symbols(std::vector<SymbolFile> files);
  bool look_for_kernel();
  void follow_kernel(const Json& stop);
  void check_builds();
  void map_sources();
  Status connect_lldb();
  Status begin_from(const Json& state);
  Status start_anew();
  // run.cpp
  Status settle();
  Status take_drive();
  void rest();
  Status go_on();
  Status tell_present_stop();
  void on_lldb_stopped();
  void on_lldb_exited();
  void on_resumed(const Json& event);
  void on_stopped(const Json& event);
  void on_control_taken(const Json& event);
  void follow();
  void release_others();
  Json with_hits(Json body, std::uint64_t address) const;
  void forget_handles();
  void set_memory_cache(bool on);
  Result<Json> ask_latest_stop();
  void tell_own_stop();
  void tell_others_stop(const Json& event);

  lldb::SBTarget apart_; ///< where breakpoints are looked up: it has no guest
  std::string arch_;
  std::uint32_t vcpus_ = 0;
  bool observes_ = false;
  bool waits_for_symbols_ = false; ///< a launched guest is held until they are there
  Inherited inherited_;
  std::optional<GuestProcess> guest_;
  std::vector<std::unique_ptr<Tunnel>> tunnels_;
  int lldb_socket_ = -1;       ///< until LLDB has it
  bool running_ = false;       ///< as the client has been told
  bool driving_ = false;       ///< a move of this client's is under way
  bool at_rest_ = false;       ///< the server has said so: LLDB's next move begins a drive
  bool lldb_moves_ = false;    ///< LLDB has resumed, and has not told of a stop yet
  std::uint64_t followed_ = 0; ///< epoch of the stop that LLDB was last sent to hear of
  bool moved_ = false;         ///< this client has moved or paused the guest
  bool stale_ = false;         ///< somebody has written memory since the guest stopped
  bool pausing_ = false;       ///< this client asked for the next stop
  std::optional<int> status_;  ///< that the guest has ended with, once it has
  Json latest_stop_;           ///< the server's news of it; null for one that only LLDB tells
  std::function<bool()> then_;
  struct PlacedSymbols {
    lldb::SBModule module;
    bool slides = false;   ///< it lies where the kernel does
    bool compared = false; ///< its build, with the guest's
  };
  std::map<std::string, PlacedSymbols> symbol_files_; ///< by their paths
  std::uint64_t kernel_slide_ = 0;                    ///< the latest that is known
  bool kernel_placed_ = false;                        ///< it has not moved since
  std::unique_ptr<SymbolLoader>
      symbols_; ///< the last to be made and the first to go: its thread uses the inbox
};

} // namespace kdbg::dap
