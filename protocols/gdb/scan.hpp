#pragma once
/// qSearch qCRC: guest memory looked through here, instead of being sent to the client.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::gdb {

Table scan_packets();

} // namespace kdbg::gdb
