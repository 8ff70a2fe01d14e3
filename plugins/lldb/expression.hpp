#pragma once
/// Numbers as lldb's users write them, and which vCPU they look at.
#include "adapter/result.hpp"

#include <lldb/API/SBDebugger.h>

#include <cstdint>
#include <optional>
#include <string>

namespace kdbg::lldb_plugin {

/// A number, or an expression in the selected frame (`$rip`, `&heartbeat`, `list_head->next`). Runs
/// no code in the guest. Errors: bad_request with lldb's words.
Result<std::uint64_t> number_of(lldb::SBDebugger& debugger, const std::string& text);

} // namespace kdbg::lldb_plugin
