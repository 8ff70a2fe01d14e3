#pragma once
/// The main thread: waits for the client, LLDB and the server at once, and deals with one thing at
/// a time.
#include "protocols/dap/session/session.hpp"
#include "protocols/dap/wire/channel.hpp"

namespace kdbg::dap {

/// Serves one client until it leaves. 0, or 1 with a line on standard error.
int serve(Channel& channel, Inherited inherited);

} // namespace kdbg::dap
