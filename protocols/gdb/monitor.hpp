#pragma once
/// qRcmd: `monitor` commands in plain text, for what RSP has no packet for.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::gdb {

Table monitor_packets();

} // namespace kdbg::gdb
