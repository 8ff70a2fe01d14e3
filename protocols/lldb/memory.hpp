#pragma once
/// qMemoryRegionInfo, MultiMemRead, _M and _m, what lldb wants to know of watchpoints.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::lldb {

gdb::Table memory_packets();

} // namespace kdbg::lldb
