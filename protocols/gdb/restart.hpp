#pragma once
/// ! R vRun: a client that stays after a kill, and machine reset as gdb's `run`.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::gdb {

Table restart_packets();

} // namespace kdbg::gdb
