#pragma once
/// `kvmdbg probe`: what this host's KVM can do.
#include "adapter/result.hpp"
#include "adapter/server/options.hpp"

namespace kdbg::server {

/// What to print. An error: this host has no KVM that can be used.
Result<std::string> probe_host(const ProbeOptions& options);

} // namespace kdbg::server
