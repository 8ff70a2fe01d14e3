#pragma once
/// g G p P: registers, in the order of the architecture's table.
#include "protocols/gdb/conversation.hpp"

namespace kdbg::gdb {

Table register_packets();

/// One register as hex in guest byte order.
Result<std::string> read_value(const Conversation& conversation, VcpuId vcpu, RegisterId id);

} // namespace kdbg::gdb
