#pragma once
/// qHostInfo, qProcessInfo and the small questions of a connect: what machine this is.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::lldb {

gdb::Table host_packets();

} // namespace kdbg::lldb
