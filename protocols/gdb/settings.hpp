#pragma once
/// Q packets by which a client says how it wants to be served, and QEMU's about stepping.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::gdb {

Table setting_packets();

} // namespace kdbg::gdb
