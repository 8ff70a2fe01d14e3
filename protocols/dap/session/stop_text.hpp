#pragma once
/// Why a guest stopped, as the `stopped` event says it.
#include "protocols/dap/message/fields.hpp"

#include <lldb/API/SBProcess.h>
#include <lldb/API/SBThread.h>

namespace kdbg::dap {

/// The thread that the stop is about: the selected one if it has a reason, else the first that has
/// one.
lldb::SBThread thread_to_look_at(lldb::SBProcess process);
/// The event's body; `asked` when this client asked for the stop.
Json stopped_body(lldb::SBThread thread, bool asked);

} // namespace kdbg::dap
