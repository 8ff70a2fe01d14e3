#pragma once
/// jKvm requests as lldb's command line carries them. Knows no lldb.
#include "adapter/result.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

namespace kdbg::lldb_plugin {

using Json = nlohmann::ordered_json;

/// `process plugin packet send` for a request. lldb sends what it is given as it is and splits its
/// command lines at quotes: so braces are escaped as RSP has it, everything else that either would
/// misread as JSON has it (\u0027).
std::string packet_command(std::string_view name, const Json& arguments);

/// What the server answered, out of the text that the command printed.
Result<Json> parse_response(std::string_view name, std::string_view printed);

} // namespace kdbg::lldb_plugin
