#pragma once
/// What a thread list says of each vCPU, as text and as XML.
#include "protocols/gdb/conversation.hpp"

namespace kdbg::gdb {

/// "long mode, ring 0; also stopped: write watch of 4 bytes at 0x1000": a stop reply names one
/// vCPU, so what happened on the others is said here.
Result<std::string> describe_thread(const Conversation& conversation, VcpuId vcpu);
/// The document behind qXfer:threads.
std::string render_threads(const Conversation& conversation);

} // namespace kdbg::gdb
