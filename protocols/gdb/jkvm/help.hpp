#pragma once
/// The schema shown: as JSON for `jKvm.help`, as the text of docs/jkvm.md.
#include "protocols/gdb/jkvm/json.hpp"

namespace kdbg::gdb::jkvm {

/// Of all requests and events, or of the one request of that name.
Result<Json> describe_requests(std::string_view name);
/// Markdown, from the first request's heading to the last event's table.
std::string render_reference();

} // namespace kdbg::gdb::jkvm
