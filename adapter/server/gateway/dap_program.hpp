#pragma once
/// Where the debug adapter's program is.
#include "adapter/result.hpp"

namespace kdbg::server {

/// `asked`: as the user has named it; "": beside our own program, then in PATH. The error says what
/// is missing, what of, and what can be done.
Result<std::string> find_dap_program(const std::string& asked);

/// The folder in which all adapters of this user keep what they have found in symbol files, or ""
/// where there is no home.
std::string index_cache_folder();

} // namespace kdbg::server
