#pragma once
/// `kvmdbg dump`: the memory of a guest of a running server, into a file of the user's.
#include "adapter/server/core_copy.hpp"
#include "adapter/server/options.hpp"

namespace kdbg::server {

/// The server, as a dump needs it.
struct DumpSource {
  std::function<Result<Bytes>()> header;
  std::function<Result<std::string>()> stop_number; ///< changes when the guest has run
  CoreCopy::Read read;
};

/// Writes the file; returns what to tell the user. `interrupted` is asked between slices.
Result<std::string> write_dump(const DumpOptions& options,
                               const DumpSource& source,
                               const std::function<bool()>& interrupted);

} // namespace kdbg::server
