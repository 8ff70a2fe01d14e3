#pragma once
/// ? c C s S vCont, the interrupt byte, vCtrlC, D k vKill: everything that moves or leaves the
/// guest.
#include "protocols/gdb/conversation.hpp"

namespace kdbg::gdb {

Table resume_packets();

/// 0x03. Nothing when the client has not been told "running": LLDB sends one after a stop reply.
void interrupt(Conversation& conversation);

} // namespace kdbg::gdb
