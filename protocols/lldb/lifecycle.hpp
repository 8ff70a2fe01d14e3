#pragma once
/// vAttach and its kin, detaching with the guest held: how lldb comes and goes.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::lldb {

gdb::Table lifecycle_packets();

} // namespace kdbg::lldb
