#pragma once
/// qSymbol: the server asks a client that has symbols for the few it can use. Kept per connection.
#include "protocols/gdb/conversation.hpp"

namespace kdbg::gdb {

Table symbol_packets();

/// What is asked for, in this order.
std::span<const std::string_view> wanted_symbols();

} // namespace kdbg::gdb
