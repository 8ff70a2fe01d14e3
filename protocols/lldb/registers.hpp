#pragma once
/// Register packets with lldb's `;thread:ID`, and registers saved for later.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::lldb {

gdb::Table register_packets();

} // namespace kdbg::lldb
