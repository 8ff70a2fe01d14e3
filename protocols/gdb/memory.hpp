#pragma once
/// m M x X: guest memory, in hex and binary; and QEMU's switch to physical addresses.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::gdb {

Table memory_packets();

} // namespace kdbg::gdb
