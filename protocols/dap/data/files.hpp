#pragma once
/// Files of the host that a client may be given: sources, and those under the configured roots
/// only. Knows no LLDB.
#include "protocols/dap/session/arguments.hpp"

namespace kdbg::dap {

/// Where sourceMap leads.
std::vector<std::string> source_roots(const StartArguments& arguments);

/// bad_request for a path that is under none of these folders once links and .. are followed; every
/// path may be read where no folder is named.
Status check_root(const std::vector<std::string>& roots, const std::string& path);

/// The text of `path`. bad_request when it is under none of the roots once links and .. are
/// followed, is no plain file, or is larger than 8 MiB.
Result<std::string> read_source(const std::vector<std::string>& roots, const std::string& path);

} // namespace kdbg::dap
