#pragma once
/// qSupported, threads and the small questions of a connection.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::gdb {

Table query_packets();

} // namespace kdbg::gdb
