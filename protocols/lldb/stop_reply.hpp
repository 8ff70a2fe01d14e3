#pragma once
/// Why vCPUs stopped, in lldb's words, and what it would ask for next. Knows no packet.
#include "protocols/gdb/conversation.hpp"

#include <nlohmann/json_fwd.hpp>

namespace kdbg::lldb {

/// A T packet that spares lldb its questions: every vCPU, its reason and pc, the general registers,
/// and memory at sp and pc. Plain RSP for a client that is not lldb.
std::string render_stop(const gdb::Conversation& conversation, const Stop& stop);

/// lldb takes an error in answer to a resume for a lost connection: it is told of a stop instead,
/// whose reason is the error's text.
gdb::Answer refuse_resume(gdb::Conversation& conversation, const Error& error);

/// The same for one vCPU, stopped or merely held.
std::string render_vcpu_stop(const gdb::Conversation& conversation, VcpuId vcpu);

/// An object for each vCPU: tid, name, reason, signal, description.
nlohmann::json stop_infos(const gdb::Conversation& conversation);

/// Register number, in decimal, to hex bytes: the general ones, or with many vCPUs pc, sp, fp and
/// flags.
nlohmann::json registers_of(const gdb::Conversation& conversation, VcpuId vcpu);

} // namespace kdbg::lldb
