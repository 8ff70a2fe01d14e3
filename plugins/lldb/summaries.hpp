#pragma once
/// How lldb shows Linux's page-table entries and descriptors: in words.
#include <lldb/API/SBDebugger.h>

namespace kdbg::lldb_plugin {

/// Adds the category `kvmdbg`. Values of targets that are not x86-64 are left alone.
void add_summaries(lldb::SBDebugger& debugger);

} // namespace kdbg::lldb_plugin
