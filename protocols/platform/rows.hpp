#pragma once
/// Machines as lldb's process rows: rendered, and filtered as lldb asks. Knows no connection.
#include "adapter/machines.hpp"

namespace kdbg::platform {

/// pid:101;ppid:1;...;name:HEX;args:HEX-HEX;triple:HEX; The arguments are the name, the state and
/// where it listens, for a row has no place of its own for them.
std::string render_row(const MachineInfo& machine);

/// Which machines a client wants to hear of.
using Filter = std::function<bool(const MachineInfo&)>;
/// name:HEX;name_match:equals;pid:101;... bad_request for a value that is none, or an unknown way
/// to match; an unknown key wants nothing.
Result<Filter> parse_filter(std::string_view text);

/// Decimal; `what` names it in errors.
Result<std::uint64_t> parse_decimal(std::string_view digits, std::string_view what);

} // namespace kdbg::platform
