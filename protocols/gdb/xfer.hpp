#pragma once
/// qXfer: documents read in pieces.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::gdb {

Table xfer_packets();

} // namespace kdbg::gdb
