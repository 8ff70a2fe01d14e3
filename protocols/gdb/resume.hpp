#pragma once
/// ? c C s S vCont, the interrupt byte, vCtrlC, D k vKill: everything that moves or leaves the
/// guest.
#include "protocols/gdb/conversation.hpp"

namespace kdbg::gdb {

Table resume_packets();

/// What `?` is answered with: a stop reply, at once or when the guest has stopped.
Answer why_stopped(Conversation& conversation);
/// no_such_vcpu when it is not the machine's process id, in hex.
Status check_process(const Conversation& conversation, std::string_view pid);
/// Takes this client's points out; `go_on` lets the guest run, unless somebody else holds it.
enum class Leave : std::uint8_t { running, stopped };
Status detach(Conversation& conversation, Leave how = Leave::running);

/// 0x03. Nothing when the client has not been told "running": LLDB sends one after a stop reply.
void interrupt(Conversation& conversation);

} // namespace kdbg::gdb
