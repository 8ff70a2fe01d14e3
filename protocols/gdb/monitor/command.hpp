#pragma once
/// One `monitor` word, as a row; each file here holds one topic's.
#include "protocols/gdb/conversation.hpp"

namespace kdbg::gdb::monitor {

using Output = Result<std::string>;

struct Command {
  std::string_view name, arguments, summary;
  std::string_view more; ///< what `help NAME` adds: whole sentences, lines ended
  Output (*run)(Conversation& c, std::string_view arguments);
};
using Commands = std::span<const Command>;

Commands machine_commands();
Commands register_commands();
Commands client_commands();
Commands symbol_commands();
Commands catch_commands();
Commands table_commands();

/// An address in hex, with 0x or without.
Result<std::uint64_t> parse_address(std::string_view text);

} // namespace kdbg::gdb::monitor
