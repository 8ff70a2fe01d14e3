#pragma once
/// What the gdb folder exports: RSP as gdb 13 speaks it.
#include "adapter/front_end.hpp"
#include "protocols/gdb/conversation.hpp"

namespace kdbg::gdb {

/// Does an RSP client begin like this?
bool speaks(std::byte first);
/// All of gdb's packets.
std::span<const Table> tables();

Protocol protocol(const Settings& settings = {});

} // namespace kdbg::gdb
