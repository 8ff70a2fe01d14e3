#pragma once
/// qXfer:osdata: gdb's `info os`: the machine's vCPUs, points and clients as tables.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::gdb {

Table osdata_packets();

} // namespace kdbg::gdb
