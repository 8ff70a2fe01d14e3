#pragma once
/// The machines of one user as the processes of a platform: lldb's platform packets, and gdb's
/// extended-remote before and after a machine is attached. Bytes in, bytes out; knows no socket.
#include "adapter/front_end.hpp"
#include "adapter/machines.hpp"

namespace kdbg::platform {

/// What clients are told of where they are.
struct Host {
  std::uint64_t pid = 0; ///< of the platform
  std::string triple;    ///< what its machines are at least: x86_64-unknown-unknown
  std::string name;
  /// Does a watchpoint of this CPU stop before the access?
  bool watch_before = false;
  std::string where;                         ///< where this client came to, as with --listen
  std::function<void(std::string_view)> log; ///< takes one line for people
};

/// `machines` must outlive the front end.
std::unique_ptr<FrontEnd> open(Machines& machines, Host host, Sink sink);

} // namespace kdbg::platform
