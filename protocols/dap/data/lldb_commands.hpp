#pragma once
/// LLDB's commands in the debug console: those that cannot reach the host, its files and programs,
/// and that do not move the guest.
#include "protocols/dap/session/session.hpp"

namespace kdbg::dap {

/// Whether a line is meant as one of LLDB's commands, allowed or not.
bool is_lldb_command(Session& session, std::string_view line);
/// Runs it, when it is one of those that are allowed, with options that are. bad_request otherwise.
Result<std::string>
run_lldb_command(Session& session, const lldb::SBFrame& frame, std::string_view line);
/// The first words of those that are allowed and begin with `start`.
std::vector<std::string> lldb_commands(std::string_view start);

} // namespace kdbg::dap
