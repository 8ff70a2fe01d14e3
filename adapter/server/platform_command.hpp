#pragma once
/// `kvmdbg list` and `kvmdbg platform`: the commands about all machines of a user.
#include "adapter/result.hpp"
#include "adapter/server/options.hpp"
#include "adapter/server/settings.hpp"

namespace kdbg::server {

/// What to print.
Result<std::string> list_machines(const ListOptions& options);

/// Until a signal ends it; returns the exit status. `cpu`: of the host, as uname(2) names it;
/// `watch_before`: its watchpoints stop before the access.
Result<int> serve_platform(const PlatformOptions& options,
                           std::string_view cpu,
                           bool watch_before,
                           const Log& log);

} // namespace kdbg::server
