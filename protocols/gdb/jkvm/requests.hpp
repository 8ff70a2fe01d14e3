#pragma once
/// `jKvm.NAME:{…}`: JSON packets of our own, for plugins and other front ends of ours.
#include "protocols/gdb/conversation.hpp"

namespace kdbg::gdb {

Table jkvm_packets();

} // namespace kdbg::gdb
