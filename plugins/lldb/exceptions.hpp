#pragma once
/// `kvm exceptions`: stops at the CPU's exceptions, told in words.
#include "plugins/lldb/commands.hpp"

namespace kdbg::lldb_plugin {

Result<std::string> list_exceptions(Call& call);
/// Also adds a stop hook to the selected target, once, that says what the error code means.
Result<std::string> set_exceptions(Call& call);
Result<std::string> clear_exceptions(Call& call);
Result<std::string> explain_stops(Call& call);

} // namespace kdbg::lldb_plugin
