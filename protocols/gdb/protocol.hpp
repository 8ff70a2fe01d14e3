#pragma once
/// What the gdb folder exports: RSP as gdb 13 speaks it.
#include "adapter/front_end.hpp"
#include "protocols/gdb/front_end.hpp"

namespace kdbg::gdb {

/// Does an RSP client begin like this?
bool speaks(std::byte first);
/// All of gdb's packets.
std::span<const Table> tables();

/// `with` outlives every connection.
Protocol protocol(const Settings& settings = {}, const Dialect& with = dialect());

} // namespace kdbg::gdb
