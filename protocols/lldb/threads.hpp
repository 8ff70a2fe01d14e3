#pragma once
/// QListThreadsInStopReply, jThreadsInfo, qThreadStopInfo: every vCPU in one answer.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::lldb {

gdb::Table thread_packets();

} // namespace kdbg::lldb
