#pragma once
/// Why a guest stopped, as the `stopped` event says it.
#include "protocols/dap/message/fields.hpp"

#include <lldb/API/SBProcess.h>
#include <lldb/API/SBThread.h>

namespace kdbg::dap {

/// The thread that the stop is about: the selected one if it has a reason, else the first that has
/// one.
lldb::SBThread thread_to_look_at(lldb::SBProcess process);
/// The event's body for a stop of this client's own move. `asked`: it asked for the stop. `news`:
/// the server's words about it, or null.
Json stopped_body(lldb::SBThread thread, bool asked, const Json& news);
/// For a stop that the server tells of: `stopped` and `jKvm.stops` of docs/jkvm.md.
Json stopped_body(const Json& news, bool asked);
/// Whether it is the machine's first stop, or the first after a reset.
bool is_entry(const Json& news);
/// A stopped vCPU's reasons in the server's words.
std::string reasons_of(const Json& vcpu);
/// Of the point or watch that was hit; 0 for none.
std::uint64_t hit_address(const Json& news);

} // namespace kdbg::dap
