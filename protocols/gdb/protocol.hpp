#pragma once
/// What the gdb folder exports: RSP as gdb 13 speaks it.
#include "adapter/front_end.hpp"
#include "protocols/gdb/conversation.hpp"

namespace kdbg::gdb {

/// `kill_policy`: what `k` and `vKill` do.
Protocol protocol(KillPolicy kill_policy = KillPolicy::detach);

} // namespace kdbg::gdb
