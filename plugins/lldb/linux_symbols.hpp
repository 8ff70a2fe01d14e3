#pragma once
/// `kvm symbols`: where Linux's kernel runs.
#include "plugins/lldb/commands.hpp"

namespace kdbg::lldb_plugin {

/// Finds the slide of the kernel from what its CPU points at (MSR_LSTAR, handlers in the IDT),
/// holds the kernel's linux_banner in memory against the file's, and tells lldb. Changes nothing
/// when it cannot.
Result<std::string> load_linux_symbols(Call& call);

} // namespace kdbg::lldb_plugin
