#pragma once
/// Where the debug adapter's program is.
#include "adapter/result.hpp"

#include <vector>

namespace kdbg::server {

/// `asked`: as the user has named it; "": beside our own program, then in PATH. The error says what
/// is missing, what of, and what can be done.
Result<std::string> find_dap_program(const std::string& asked);

/// What each adapter is told beside its client: where it may read files (`roots`; the image's
/// folder when there are none), that the image is the program of a client who names none, and in
/// which folder all adapters of this user keep what they have found in symbol files.
std::vector<std::string> worker_arguments(std::vector<std::string> roots, const std::string& image);

} // namespace kdbg::server
