#pragma once
/// jKvm requests to the server that lldb is connected to, by lldb's own connection.
#include "adapter/result.hpp"

#include <lldb/API/SBDebugger.h>
#include <nlohmann/json.hpp>

#include <string_view>

namespace kdbg::lldb_plugin {

using Json = nlohmann::ordered_json;

/// Asks. Errors: closed where nothing is connected, running while the guest runs (lldb would stop
/// it to ask), unsupported where the server is not kvmdbg, bad_request with the server's own words.
Result<Json> ask(lldb::SBDebugger& debugger, std::string_view name, const Json& arguments);

} // namespace kdbg::lldb_plugin
