#pragma once
/// A stop, or the end of the run, as RSP says it. Reads registers, changes nothing.
#include "protocols/gdb/conversation.hpp"

namespace kdbg::gdb {

/// T packet: signal, expedited registers, thread, core, and why.
std::string render_stop(const Conversation& conversation, const Stop& stop);
/// W packet.
std::string render_exit(const Conversation& conversation);
/// "stepped, hardware point at 0x1000": why `vcpu` stopped; empty when it was merely held.
std::string render_reasons(const Stop& stop, VcpuId vcpu);

} // namespace kdbg::gdb
