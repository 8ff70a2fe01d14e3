#pragma once
/// What this plugin needs of the lldb that loaded it, and does not find there. Knows no lldb.
#include <string>

namespace kdbg::lldb_plugin {

/// The first of this library's undefined symbols of lldb's that nothing in the process defines;
/// empty where all are there. They are bound when first called: a missing one would end the
/// debugger then.
std::string missing_symbol();

} // namespace kdbg::lldb_plugin
