#pragma once
/// What the lldb folder exports: gdb's packets and lldb's, on one connection. A client that never
/// sends one of lldb's is served as gdb.
#include "adapter/front_end.hpp"
#include "protocols/gdb/front_end.hpp"

namespace kdbg::lldb {

const gdb::Dialect& dialect();
Protocol protocol(const gdb::Settings& settings = {});

} // namespace kdbg::lldb
