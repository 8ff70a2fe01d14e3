#pragma once
/// Z0..Z4 and z0..z4: points of this client.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::gdb {

Table point_packets();

} // namespace kdbg::gdb
