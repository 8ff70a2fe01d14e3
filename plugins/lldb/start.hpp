#pragma once
/// `kvm run` and `kvm attach`: connecting this lldb to a guest.
#include "plugins/lldb/commands.hpp"

namespace kdbg::lldb_plugin {

/// Both return what lldb says of the connection. Errors: bad_request where the selected target is
/// connected already, else why there is no guest or no connection.
Result<std::string> start_guest(Call& call);
Result<std::string> attach_to_guest(Call& call);

} // namespace kdbg::lldb_plugin
