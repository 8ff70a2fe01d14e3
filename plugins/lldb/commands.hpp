#pragma once
/// The `kvm` commands: one table, and what each row gets to work with.
#include "plugins/lldb/machines.hpp"

#include <lldb/API/SBDebugger.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace kdbg::lldb_plugin {

/// A command as typed, in the debugger where it was typed.
struct Call {
  lldb::SBDebugger& debugger;
  Machines& machines;
  std::vector<std::string> arguments;
};

/// Adds all commands to this debugger.
Status add_commands(lldb::SBDebugger& debugger, const std::shared_ptr<Machines>& machines);

} // namespace kdbg::lldb_plugin
